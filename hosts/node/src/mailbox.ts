/// <reference lib="esnext.disposable" preserve="true" />
// A mailbox: the commands as methods.

import path from 'node:path';

import type {
  CommandName,
  CommandOf,
  DoneStep,
  Edit,
  Exported,
  Found,
  InboxListing,
  MessageRow,
  OutcomeOf,
  ReadMessage,
  Recalled,
  Remembered,
  Sent,
  Synced,
} from '../types/core.js';
import { writeArchive } from './archive.js';
import { attachedAll, type Attachment } from './attachments.js';
import type { DriveOptions, Event } from './drive.js';
import { variable } from './environment.js';
import { AzallError } from './errors.js';
import { FilterCommands, KeyringCommands, TrustCommands } from './groups.js';
import { configFile, create, open, run, type Manner } from './opening.js';
import { watch, type WatchOptions } from './watch.js';

export type { Edit } from '../types/core.js';
export type { Attachment } from './attachments.js';
export type { FilterCommands, KeyringCommands, TrustCommands } from './groups.js';
export type { WatchOptions } from './watch.js';

/** What every call takes. */
export interface CallOptions {
  /** Stops the call at its next safe point; it rejects with the signal's reason unless it was done by then. What was done stays done. */
  signal?: AbortSignal | undefined;
}

/** How a mailbox is opened. */
export interface OpenOptions extends CallOptions {
  /** Another agent of the same config, as `$AGENTAZALL_AGENT` names one. */
  agent?: string;
  /** How the mailbox is made if it is not there: its agent's name and who the agent is. */
  create?: { agent?: string; identity?: string };
  /**
   * How long requests under way may still take once a call is aborted, in milliseconds; eight seconds without it. What a relay is
   * handing out it may have deleted, so they are not cut off at once.
   */
  graceMs?: number;
  /** Is told of progress and warnings. Texts may quote messages. */
  onEvent?: (event: Event) => void;
}

/** A message to send. */
export interface NewMail {
  /** One or more addresses. */
  to: string | readonly string[];
  cc?: string | readonly string[];
  subject?: string;
  body: string;
  attachments?: readonly Attachment[];
}

/** An answer to send. */
export interface NewReply {
  body: string;
  attachments?: readonly Attachment[];
  /** To everybody whom the message went to. */
  all?: boolean;
}

/** Which messages are listed. */
export interface InboxOptions extends CallOptions {
  /** This day (`YYYY-MM-DD`) instead of today. */
  date?: string;
  /** Every day. */
  all?: boolean;
  /** Without a sync. */
  offline?: boolean;
  /** Only what was not read yet. */
  unread?: boolean;
}

const asEdit = (edit: Edit | string): Edit => (typeof edit === 'string' ? { set: edit } : edit);

const list = (addresses: string | readonly string[] | undefined): readonly string[] =>
  typeof addresses === 'string' ? [addresses] : (addresses ?? []);

/** A mailbox on this machine. Methods may be called side by side; each reads the config anew, as every command does. */
export class Mailbox implements AsyncDisposable {
  private readonly closing = new AbortController();
  /** The address filter. */
  readonly filter: FilterCommands;
  /** Known peers and their keys. */
  readonly keyring: KeyringCommands;
  /** The binding to an owner. */
  readonly trust: TrustCommands;

  private constructor(
    /** The config file. */
    readonly configFile: string,
    private readonly manner: Manner,
    /** The agent's address. */
    readonly address: string,
    /** The addresses that relays know the agent by. */
    readonly relayAddresses: readonly string[],
    /** The agent's folder. */
    readonly folder: string,
  ) {
    this.filter = new FilterCommands(this);
    this.keyring = new KeyringCommands(this);
    this.trust = new TrustCommands(this);
  }

  /**
   * Opens the mailbox of a config file, or of the `config.json` in a folder; without a path, of the one that the command line would
   * use (`$AGENTAZALL_CONFIG`, `$AGENTAZALL_ROOT`, `./config.json`). What is not there yet is a file if its name ends with `.json`,
   * else a folder. Where there is no config, one is made.
   */
  static async open(where?: string, options: OpenOptions = {}): Promise<Mailbox> {
    options.signal?.throwIfAborted();
    const file = await configFile(where);
    const agent = options.agent ?? variable('AGENTAZALL_AGENT');
    // The signal is this call's alone.
    const { signal, create: wanted, ...kept } = options;
    const manner: Manner = { ...kept, ...(agent === undefined ? {} : { agent }) };
    let opened = await open(file, manner, signal);
    if (!opened.config.found && wanted !== undefined) {
      await create(opened, wanted, manner, signal);
      opened = await open(file, manner, signal);
    }
    // The first command of all makes what is not there.
    const { outcome } = await run(opened, { command: 'address' }, manner, signal);
    const folder = path.join(opened.mailboxes, opened.config.agent);
    return new Mailbox(file, manner, outcome.address, outcome.relay_addresses, folder);
  }

  /** Runs any command by its name, with its arguments as the core knows them, and gives its last step. */
  async run<N extends CommandName>(
    command: CommandOf<N>,
    { signal, onEvent }: CallOptions & Pick<DriveOptions, 'onEvent'> = {},
  ): Promise<DoneStep<N>> {
    signal?.throwIfAborted();
    this.closing.signal.throwIfAborted();
    const opened = await open(this.configFile, this.manner, signal);
    return run(opened, command, { ...this.manner, ...(onEvent && { onEvent }) }, signal);
  }

  private async outcome<N extends CommandName>(command: CommandOf<N>, options?: CallOptions): Promise<OutcomeOf<N>> {
    return (await this.run(command, options)).outcome;
  }

  /** Signs a message, queues it and delivers it now if it can; tells truly what happened, recipient by recipient. */
  async send(mail: NewMail, options: CallOptions = {}): Promise<Sent> {
    const { to, cc, subject = '', body } = mail;
    const attachments = await attachedAll(mail.attachments, options.signal);
    return this.outcome({ command: 'send', arguments: { to: list(to), cc: list(cc), subject, body, attachments } }, options);
  }

  /** Answers a message (its id, or the beginning of it): to the sender, with the text quoted. */
  async reply(id: string, reply: NewReply | string, options: CallOptions = {}): Promise<Sent> {
    const { body, all = false, attachments: given }: NewReply = typeof reply === 'string' ? { body: reply } : reply;
    const attachments = await attachedAll(given, options.signal);
    return this.outcome({ command: 'reply', arguments: { id, body, attachments, all } }, options);
  }

  /** Lists the inbox, after a sync unless it is left out. */
  inbox({ signal, ...args }: InboxOptions = {}): Promise<InboxListing> {
    return this.outcome({ command: 'inbox', arguments: args }, { signal });
  }

  /** Reads a message and marks it as read. */
  read(id: string, { signal, ...args }: CallOptions & { date?: string; raw?: boolean } = {}): Promise<ReadMessage> {
    return this.outcome({ command: 'read', arguments: { id, ...args } }, { signal });
  }

  /** Searches all messages. */
  search(
    query: string,
    { signal, ...args }: CallOptions & { from?: string; to?: string; since?: string; limit?: number } = {},
  ): Promise<Found> {
    return this.outcome({ command: 'search', arguments: { query, ...args } }, { signal });
  }

  /** Stores a memory. */
  async remember(text: string, { signal, title = null }: CallOptions & { title?: string | null } = {}): Promise<Remembered> {
    const outcome = await this.outcome({ command: 'remember', arguments: { store: { text, title } } }, { signal });
    // The other kind of outcome is that of a list.
    return outcome as Remembered;
  }

  /** Gives memories that hold these words; without words, the index of all. */
  recall(
    query: string | null = null,
    { signal, ...args }: CallOptions & { agent?: string; limit?: number } = {},
  ): Promise<Recalled> {
    return this.outcome({ command: 'recall', arguments: { query, ...args } }, { signal });
  }

  /** Who the agent is; with a text, sets it first. */
  async whoami(set?: string, options?: CallOptions): Promise<string | null> {
    if (set !== undefined) await this.outcome({ command: 'whoami', arguments: { set } }, options);
    return (await this.outcome({ command: 'whoami', arguments: {} }, options)).text;
  }

  /** What the agent works on; with an edit, changes it first. */
  async doing(edit?: Edit | string, options?: CallOptions): Promise<string | null> {
    if (edit !== undefined) await this.outcome({ command: 'doing', arguments: { edit: asEdit(edit) } }, options);
    return (await this.outcome({ command: 'doing', arguments: {} }, options)).text;
  }

  /** A note of today; with an edit, changes it first. One that is not there is an error (`not-found`). */
  async note(name: string, edit?: Edit | string, options?: CallOptions): Promise<string> {
    if (edit !== undefined) await this.outcome({ command: 'note', arguments: { name, edit: asEdit(edit) } }, options);
    return (await this.outcome({ command: 'note', arguments: { name } }, options)).text ?? '';
  }

  /** One delivery cycle: what waits goes out, what came is fetched. */
  sync(options?: CallOptions): Promise<Synced> {
    return this.outcome({ command: 'daemon', arguments: { once: true } }, options);
  }

  /** Each message as it arrives, until the signal is aborted, the loop is left, or the mailbox is closed. */
  watch(options: WatchOptions = {}): AsyncGenerator<MessageRow, void, undefined> {
    return watch(this, this.closing.signal, options);
  }

  /** Writes the whole state, keys and tokens and all, into a ZIP file for its owner's eyes alone. */
  async export(file: string, options: CallOptions = {}): Promise<Exported> {
    const done = await this.run({ command: 'export', arguments: { output: file } }, options);
    if (done.file !== null) await writeArchive(done.file.path, done.file.bytes);
    return done.outcome;
  }

  /** Ends what still watches. Nothing else is held open. */
  close(): void {
    this.closing.abort(new AzallError('cancelled', 'the mailbox was closed'));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}
