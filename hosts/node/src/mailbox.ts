/// <reference lib="esnext.disposable" preserve="true" />
// A mailbox: the commands as methods.

import { stat } from 'node:fs/promises';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';

import { writeArchive } from './archive.js';
import { core, type Command, type Ending, type Op } from './core.js';
import { abortedOr, type DoneStep, type DriveOptions, type Event } from './drive.js';
import { AzallError, fromCore, inCore } from './errors.js';
import { openConfig, runCommand, type Opened } from './host.js';
import { words } from './system.js';
import type * as Data from './types.js';
import { watch, type WatchOptions } from './watch.js';

export type { WatchOptions } from './watch.js';

/** What every call takes. */
export interface CallOptions {
  /** Stops the call at its next safe point; it rejects with the signal's reason unless it was done by then. What was done stays done. */
  signal?: AbortSignal | undefined;
}

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

/** A file to send along: its path, or its name and content. */
export type Attachment = string | { name: string; bytes: Uint8Array };

export interface NewMail {
  /** One or more addresses. */
  to: string | readonly string[];
  cc?: string | readonly string[];
  subject?: string;
  body: string;
  attachments?: readonly Attachment[];
}

export interface NewReply {
  body: string;
  attachments?: readonly Attachment[];
  /** To everybody whom the message went to. */
  all?: boolean;
}

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

/** A change of a text: `set` replaces it, `append` adds a line. */
export type Edit = { set: string } | { append: string };

const asEdit = (edit: Edit | string): Edit => (typeof edit === 'string' ? { set: edit } : edit);

const list = (addresses: string | readonly string[] | undefined): readonly string[] =>
  addresses === undefined ? [] : typeof addresses === 'string' ? [addresses] : addresses;

async function attached(attachment: Attachment): Promise<{ name: string; bytes: Uint8Array }> {
  if (typeof attachment !== 'string') return attachment;
  try {
    return { name: path.basename(attachment), bytes: new Uint8Array(await readFile(attachment)) };
  } catch (error) {
    throw new AzallError('file', `cannot read ${attachment}: ${words(error)}`);
  }
}

const attachedAll = (attachments: readonly Attachment[] | undefined) => Promise.all((attachments ?? []).map(attached));

/** The config file that a path means: itself, or `config.json` in a folder; without one, as the command line finds it. */
async function configFile(given: string | undefined): Promise<string> {
  const found = core.CommandLine.parse(['address']);
  if (!('line' in found)) throw new AzallError('host', 'the core does not know its own command line');
  if (given === undefined) {
    return path.resolve(found.line.configPath(process.env['AGENTAZALL_CONFIG'], process.env['AGENTAZALL_ROOT']));
  }
  const isFile = given.endsWith('.json') && !(await stat(given).then((it) => it.isDirectory(), () => false));
  return path.resolve(isFile ? given : found.line.configPath(undefined, given));
}

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
    private readonly options: OpenOptions,
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
   * use (`$AGENTAZALL_CONFIG`, `$AGENTAZALL_ROOT`, `./config.json`). Where there is none, one is made.
   */
  static async open(where?: string, options: OpenOptions = {}): Promise<Mailbox> {
    options.signal?.throwIfAborted();
    const file = await configFile(where);
    const agent = options.agent ?? process.env['AGENTAZALL_AGENT'];
    // The signal is this call's alone.
    const { signal, ...kept } = options;
    const lasting: OpenOptions = { ...kept, ...(agent === undefined ? {} : { agent }) };
    let opened = await open(file, lasting, signal);
    if (!opened.config.found && options.create !== undefined) {
      await create(opened, options.create, lasting, signal);
      opened = await open(file, lasting, signal);
    }
    // The first command of all makes what is not there.
    const { outcome } = await run(opened, { command: 'address', arguments: {} }, lasting, signal);
    const { address, relay_addresses: relayAddresses } = outcome as Data.Addresses;
    return new Mailbox(file, lasting, address, relayAddresses, path.join(opened.mailboxes, opened.config.agent));
  }

  /** Runs any command by its name, with its arguments as the core knows them, and gives its last step. */
  async run(command: Command, options: CallOptions & Pick<DriveOptions, 'onEvent'> = {}): Promise<DoneStep> {
    options.signal?.throwIfAborted();
    this.closing.signal.throwIfAborted();
    const opened = await open(this.configFile, this.options, options.signal);
    return run(opened, command, { ...this.options, ...(options.onEvent && { onEvent: options.onEvent }) }, options.signal);
  }

  private async outcome<T>(command: string, args: Command['arguments'], options: CallOptions = {}): Promise<T> {
    // What each command gives is fixed by the core, and told by the types of the methods.
    return (await this.run({ command, ...(args === undefined ? {} : { arguments: args }) }, options)).outcome as T;
  }

  /** Signs a message, queues it and delivers it now if it can; tells truly what happened, recipient by recipient. */
  async send(mail: NewMail, options?: CallOptions): Promise<Data.Sent> {
    const { to, cc, subject = '', body, attachments } = mail;
    const files = await attachedAll(attachments);
    return this.outcome('send', { to: list(to), cc: list(cc), subject, body, attachments: files }, options);
  }

  /** Answers a message (its id, or the beginning of it): to the sender, with the text quoted. */
  async reply(id: string, reply: NewReply | string, options?: CallOptions): Promise<Data.Sent> {
    const { body, attachments, all = false } = typeof reply === 'string' ? { body: reply } : reply;
    return this.outcome('reply', { id, body, attachments: await attachedAll(attachments), all }, options);
  }

  /** Lists the inbox, after a sync unless it is left out. */
  inbox({ signal, ...args }: InboxOptions = {}): Promise<Data.InboxListing> {
    return this.outcome('inbox', args, { signal });
  }

  /** Reads a message and marks it as read. */
  read(id: string, { signal, ...args }: CallOptions & { date?: string; raw?: boolean } = {}): Promise<Data.Message> {
    return this.outcome('read', { id, ...args }, { signal });
  }

  /** Searches all messages. */
  search(
    query: string,
    { signal, ...args }: CallOptions & { from?: string; to?: string; since?: string; limit?: number } = {},
  ): Promise<Data.Found> {
    return this.outcome('search', { query, ...args }, { signal });
  }

  /** Stores a memory. */
  remember(text: string, { signal, title }: CallOptions & { title?: string } = {}): Promise<Data.Remembered> {
    return this.outcome('remember', { store: { text, title } }, { signal });
  }

  /** Gives memories that hold these words; without words, the index of all. */
  recall(
    query?: string,
    { signal, ...args }: CallOptions & { agent?: string; limit?: number } = {},
  ): Promise<Data.Recalled> {
    return this.outcome('recall', { query, ...args }, { signal });
  }

  /** Who the agent is; with a text, sets it first. */
  async whoami(set?: string, options?: CallOptions): Promise<string | null> {
    if (set !== undefined) await this.outcome('whoami', { set }, options);
    return (await this.outcome<Data.SelfText>('whoami', {}, options)).text;
  }

  /** What the agent works on; with an edit, changes it first. */
  async doing(edit?: Edit | string, options?: CallOptions): Promise<string | null> {
    if (edit !== undefined) await this.outcome('doing', { edit: asEdit(edit) }, options);
    return (await this.outcome<Data.SelfText>('doing', {}, options)).text;
  }

  /** A note of today; with an edit, changes it first. One that is not there is an error (`not-found`). */
  async note(name: string, edit?: Edit | string, options?: CallOptions): Promise<string> {
    if (edit !== undefined) await this.outcome('note', { name, edit: asEdit(edit) }, options);
    return (await this.outcome<Data.Note>('note', { name }, options)).text ?? '';
  }

  /** One delivery cycle: what waits goes out, what came is fetched. */
  sync(options?: CallOptions): Promise<Data.Synced> {
    return this.outcome('daemon', { once: true }, options);
  }

  /** Each message as it arrives, until the signal is aborted, the loop is left, or the mailbox is closed. */
  watch(options: WatchOptions = {}): AsyncGenerator<Data.MessageRow, void, undefined> {
    return watch(this, this.closing.signal, options);
  }

  /** Writes the whole state, keys and tokens and all, into a ZIP file for its owner's eyes alone. */
  async export(file: string, options: CallOptions = {}): Promise<Data.Exported> {
    const done = await this.run({ command: 'export', arguments: { output: file } }, options);
    if (done.file !== null) await writeArchive(done.file.path, done.file.bytes);
    return done.outcome as Data.Exported;
  }

  /** Ends what still watches. Nothing else is held open. */
  close(): void {
    this.closing.abort(new AzallError('cancelled', 'the mailbox was closed'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

async function open(file: string, options: OpenOptions, signal: AbortSignal | undefined): Promise<Opened> {
  try {
    return await openConfig(file, options.agent, { onEvent: options.onEvent, signal });
  } catch (thrown) {
    throw abortedOr(fromCore(thrown), signal);
  }
}

/** Makes a mailbox as `azall quickstart` does, which knows what a bare name means. */
async function create(
  opened: Opened,
  { agent, identity }: NonNullable<OpenOptions['create']>,
  options: OpenOptions,
  signal: AbortSignal | undefined,
): Promise<void> {
  const flags = [...(agent === undefined ? [] : [`--agent=${agent}`]), ...(identity === undefined ? [] : [`--identity=${identity}`])];
  const parsed = inCore(() => core.CommandLine.parse(['quickstart', ...flags]));
  const started = 'line' in parsed && parsed.line ? inCore(() => parsed.line.start([], opened.config)) : parsed;
  if (!('op' in started)) throw new AzallError('usage', endingText(started), 2);
  await runOp(() => started.op, opened, options, signal);
}

function endingText(ended: object): string {
  const { ending } = ended as { ending?: Ending };
  return ending?.text.trim() ?? 'the mailbox cannot be made';
}

function run(opened: Opened, command: Command, options: OpenOptions, signal: AbortSignal | undefined): Promise<DoneStep> {
  return runOp(() => new core.Op(command, opened.config), opened, options, signal);
}

async function runOp(start: () => Op, opened: Opened, options: OpenOptions, signal: AbortSignal | undefined): Promise<DoneStep> {
  let isWhole = true;
  const { onEvent, graceMs } = options;
  const onGiveUp = () => {
    isWhole = false;
  };
  try {
    const op = inCore(start);
    const done = await runCommand(op, opened.roots, { onEvent, signal, graceMs, onGiveUp });
    if (!isWhole) signal?.throwIfAborted();
    return done;
  } catch (thrown) {
    throw abortedOr(thrown, signal);
  }
}

/** A group of commands. */
class Commands {
  constructor(private readonly mailbox: Mailbox) {}

  protected async outcome<T>(command: string, args: Command['arguments'], options: CallOptions = {}): Promise<T> {
    return (await this.mailbox.run({ command, ...(args === undefined ? {} : { arguments: args }) }, options)).outcome as T;
  }
}

/** The address filter. */
class FilterCommands extends Commands {
  private change(changes: readonly unknown[], options?: CallOptions): Promise<Data.FilterState> {
    return this.outcome('filter', { changes }, options);
  }

  /** As it is. */
  state(options?: CallOptions): Promise<Data.FilterState> {
    return this.change([], options);
  }

  /** How the lists are used. */
  mode(mode: Data.FilterState['mode'], options?: CallOptions): Promise<Data.FilterState> {
    return this.change([{ mode }], options);
  }

  /** A pattern onto the blacklist. */
  block(pattern: string, options?: CallOptions): Promise<Data.FilterState> {
    return this.change([{ add: ['blacklist', pattern] }], options);
  }

  /** A pattern off the blacklist. */
  unblock(pattern: string, options?: CallOptions): Promise<Data.FilterState> {
    return this.change([{ remove: ['blacklist', pattern] }], options);
  }

  /** A pattern onto the whitelist. */
  allow(pattern: string, options?: CallOptions): Promise<Data.FilterState> {
    return this.change([{ add: ['whitelist', pattern] }], options);
  }

  /** A pattern off the whitelist. */
  disallow(pattern: string, options?: CallOptions): Promise<Data.FilterState> {
    return this.change([{ remove: ['whitelist', pattern] }], options);
  }
}

/** Known peers and their keys. */
class KeyringCommands extends Commands {
  /** All keys. */
  async list(options?: CallOptions): Promise<Data.KeyringListing['keys']> {
    return (await this.outcome<Data.KeyringListing>('keyring', 'list', options)).keys;
  }

  /** One key. */
  async show(fingerprint: string, options?: CallOptions): Promise<Data.KeyringListing['keys'][number]> {
    const [key] = (await this.outcome<Data.KeyringListing>('keyring', { show: fingerprint }, options)).keys;
    if (key === undefined) throw new AzallError('not-found', `there is no key ${fingerprint} in the keyring`);
    return key;
  }

  /** Accepts a key for the addresses it was seen with: settles a changed key. */
  async trust(fingerprint: string, options?: CallOptions): Promise<void> {
    await this.outcome('keyring', { trust: fingerprint }, options);
  }

  /** Forgets a key. */
  async forget(fingerprint: string, options?: CallOptions): Promise<void> {
    await this.outcome('keyring', { forget: fingerprint }, options);
  }
}

/** The binding to an owner. */
class TrustCommands extends Commands {
  /** Whether the agent is bound. */
  status(options?: CallOptions): Promise<Data.TrustState> {
    return this.outcome('trust-status', {}, options);
  }

  /** Makes a token. */
  makeToken({ signal, ...args }: CallOptions & { agent?: string; force?: boolean } = {}): Promise<Data.TrustToken> {
    return this.outcome('trust-gen', args, { signal });
  }

  /** Checks a token. */
  verify(token: string, options?: CallOptions): Promise<Data.TrustVerified> {
    return this.outcome('trust-verify', { token }, options);
  }

  /** Binds the agent to an owner by a token. */
  bind(owner: string, token: string, options?: CallOptions): Promise<Data.Bound> {
    return this.outcome('trust-bind', { owner, token }, options);
  }

  /** Binds the agent to an owner on this machine. */
  bindLocally(owner: string, { signal, force = false }: CallOptions & { force?: boolean } = {}): Promise<Data.Bound> {
    return this.outcome('trust-bind-local', { owner, force }, { signal });
  }

  /** Frees the agent, and gives the owner whom it was bound to. */
  async revoke(options?: CallOptions): Promise<string | null> {
    return (await this.outcome<Data.Revoked>('trust-revoke', { yes: true }, options)).owner;
  }
}

export type { FilterCommands, KeyringCommands, TrustCommands };
