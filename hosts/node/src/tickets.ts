// What a service has under way, a file for each message, beside the config: it survives a crash.

import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';

import { core } from './core.js';
import { EffectError, type Handlers, type Place } from './effects.js';
import { AzallError, inCore } from './errors.js';
import { fileHandlers } from './files.js';
import type { Mailbox } from './mailbox.js';
import { Roots } from './roots.js';
import { errorCode } from './system.js';

/** An answer that waits to be sent. */
export interface Reply {
  body: string;
  attachments: { name: string; base64: string }[];
}

/** A message that is worked on. */
export interface Ticket {
  /** The message's id, and the day that it lies under. */
  id: string;
  day: string;
  state: 'taken' | 'replying';
  /** How often it was begun. */
  attempts: number;
  /** What the last attempt failed with. */
  problem?: string;
  reply?: Reply;
}

/** The most bytes of a ticket that are read: an answer with its attachments. */
const MOST_BYTES = 256 * 1024 * 1024;

const NAME = /^[a-z0-9][a-z0-9-]{0,40}$/;
const ID = /^[0-9A-Za-z._-]{1,120}$/;
const never = new AbortController().signal;

/** The tickets of one service of one mailbox; only one process has them at a time. */
export class Tickets {
  private readonly known = new Map<string, Ticket>();
  /** Ids of messages that were put aside. */
  private readonly aside = new Set<string>();

  private constructor(
    private readonly mailbox: Mailbox,
    private readonly folder: string,
    private readonly files: Pick<Handlers, 'ReadFile' | 'WriteAtomic' | 'Rename' | 'Remove'>,
  ) {}

  /** Opens them, which fails while another process has them. */
  static async open(mailbox: Mailbox, name: string): Promise<Tickets> {
    if (!NAME.test(name)) throw new AzallError('argument', 'the name of a service is of small letters, digits and hyphens', 2);
    const root = path.dirname(mailbox.configFile);
    // An address is a folder's name: the mailboxes folder has one for each.
    const folder = `.azall-${name}/${mailbox.address}`;
    const tickets = new Tickets(mailbox, folder, fileHandlers(new Roots(root, root)));
    await tickets.lock(name);
    return tickets;
  }

  private place(file: string): Place {
    return { root: 'config', path: `${this.folder}/${file}` };
  }

  /** Takes the lock; one whose process is gone counts for nothing. */
  private async lock(name: string): Promise<void> {
    const bytes = Buffer.from(`${process.pid}\n`);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      try {
        await this.files.WriteAtomic({ place: this.place('lock'), bytes, private: true, exclusive: true }, never);
        return;
      } catch (error) {
        if (!(error instanceof EffectError && error.kind === 'already_exists')) throw error;
      }
      if (await this.holderLives()) break;
      await this.files.Remove({ place: this.place('lock') }, never);
    }
    throw new AzallError('locked', `the service ${name} of ${this.mailbox.address} runs in another process`);
  }

  private async holderLives(): Promise<boolean> {
    try {
      const pid = Number(Buffer.from(await this.files.ReadFile({ place: this.place('lock'), limit: 64 }, never)).toString());
      if (Number.isInteger(pid) && pid > 0) process.kill(pid, 0);
      return Number.isInteger(pid) && pid > 0;
    } catch (error) {
      return errorCode(error) === 'EPERM';
    }
  }

  /** Lets the next process have them. */
  async close(): Promise<void> {
    await this.files.Remove({ place: this.place('lock') }, never);
  }

  /** What an earlier run has left. What is no ticket is left alone. */
  async all(): Promise<Ticket[]> {
    const root = path.dirname(this.mailbox.configFile);
    for (const file of (await readdir(path.join(root, this.folder))).sort()) {
      if (file.endsWith('.aside.json')) this.aside.add(file.slice(0, -'.aside.json'.length));
      if (!file.endsWith('.json') || file.endsWith('.aside.json')) continue;
      const ticket = read(await this.files.ReadFile({ place: this.place(file), limit: MOST_BYTES }, never));
      if (ticket !== undefined && file === `${ticket.id}.json`) this.known.set(ticket.id, ticket);
    }
    return [...this.known.values()];
  }

  has(id: string): boolean {
    return this.known.has(id) || this.aside.has(id);
  }

  get(id: string): Ticket | undefined {
    return this.known.get(id);
  }

  async save(ticket: Ticket): Promise<void> {
    if (!ID.test(ticket.id)) throw new AzallError('argument', 'a message id is a file name');
    this.known.set(ticket.id, ticket);
    const bytes = Buffer.from(JSON.stringify(ticket));
    await this.files.WriteAtomic({ place: this.place(`${ticket.id}.json`), bytes, private: true, exclusive: false }, never);
  }

  /** The message is done with: it is marked as read, so that nobody takes it again. */
  async finish(id: string): Promise<void> {
    await this.files.Remove({ place: this.place(`${id}.json`) }, never);
    this.known.delete(id);
  }

  /** Keeps a ticket that nobody works on any more, with the reason. */
  async putAside(ticket: Ticket): Promise<void> {
    await this.save(ticket);
    const [from, to] = [this.place(`${ticket.id}.json`), this.place(`${ticket.id}.aside.json`)];
    await this.files.Rename({ from, to, exclusive: false }, never);
    this.aside.add(ticket.id);
    this.known.delete(ticket.id);
  }

  /** Whether an answer to this message is among those that wait, were sent, or failed. A message moves from the first to the others. */
  async isAnswered(ticket: Ticket): Promise<boolean> {
    const days = (await readdir(this.mailbox.folder)).filter((day) => /^\d{4}-\d\d-\d\d$/.test(day) && day >= ticket.day);
    for (const folder of ['outbox', 'sent', 'failed']) {
      for (const day of days) {
        if (await answers(path.join(this.mailbox.folder, day, folder), ticket.id)) return true;
      }
    }
    return false;
  }
}

/** Whether a folder of messages has an answer to this one. */
async function answers(folder: string, id: string): Promise<boolean> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith('.txt')) continue;
    // Moved on meanwhile: it is looked for in the next folder.
    const file = await readFile(path.join(folder, name)).catch(() => undefined);
    if (file === undefined) continue;
    const { headers } = inCore(() => core.parseMessage(new Uint8Array(file)));
    if (headers.some(([header, value]) => header === 'In-Reply-To' && value === id)) return true;
  }
  return false;
}

function read(bytes: Uint8Array): Ticket | undefined {
  try {
    const ticket: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return isTicket(ticket) ? ticket : undefined;
  } catch {
    return undefined;
  }
}

function isTicket(data: unknown): data is Ticket {
  if (typeof data !== 'object' || data === null) return false;
  const { id, day, state, attempts } = data as Partial<Record<keyof Ticket, unknown>>;
  const isPlain = typeof id === 'string' && ID.test(id) && typeof day === 'string' && typeof attempts === 'number';
  return isPlain && (state === 'taken' || state === 'replying');
}
