// What a service has under way, a file for each message, beside the config: it survives a crash.

import path from 'node:path';

import { core } from './core.js';
import { Disk } from './disk.js';
import { AzallError, inCore } from './errors.js';
import { takeLock } from './lock.js';
import type { Mailbox } from './mailbox.js';

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
  /** While a handler works on it, or worked when the process ended. */
  running?: boolean;
  /** What the last attempt failed with. */
  problem?: string;
  reply?: Reply;
}

/** The most bytes of a ticket that are read: an answer with its attachments. */
const MOST_BYTES = 256 * 1024 * 1024;

/** As much of a message as its headers may take. */
const HEAD_BYTES = 64 * 1024;

const NAME = /^[a-z0-9][a-z0-9-]{0,40}$/;
const ID = /^[0-9A-Za-z._-]{1,120}$/;
const ASIDE = '.aside.json';

/** The tickets of one service of one mailbox; only one process has them at a time. */
export class Tickets {
  private readonly known = new Map<string, Ticket>();
  /** Ids of messages that were put aside, or that an earlier run had under way: nobody begins with them anew. */
  private readonly past = new Set<string>();

  private constructor(
    private readonly disk: Disk,
    private readonly lock: string,
    private readonly messages: Disk,
  ) {}

  /** Opens them, which fails while another process has them. */
  static async open(mailbox: Mailbox, name: string): Promise<Tickets> {
    if (!NAME.test(name)) throw new AzallError('argument', 'the name of a service is of small letters, digits and hyphens', 2);
    // An address is a folder's name: the mailboxes folder has one for each.
    const disk = new Disk(path.dirname(mailbox.configFile), `.azall-${name}/${mailbox.address}`);
    const lock = await takeLock(disk);
    if (lock === undefined) throw new AzallError('locked', `the service ${name} of ${mailbox.address} runs in another process`);
    return new Tickets(disk, lock, new Disk(mailbox.folder, ''));
  }

  /** Lets the next process have them. */
  async close(): Promise<void> {
    await this.disk.remove(this.lock);
  }

  /** What an earlier run has left. What is no ticket is left alone. */
  async all(): Promise<Ticket[]> {
    for (const file of await this.disk.names('file')) {
      if (file.endsWith(ASIDE)) this.past.add(file.slice(0, -ASIDE.length));
      if (!file.endsWith('.json') || file.endsWith(ASIDE)) continue;
      const bytes = await this.disk.read(file, MOST_BYTES);
      const ticket = bytes === undefined ? undefined : read(bytes);
      if (ticket === undefined || file !== `${ticket.id}.json`) continue;
      this.known.set(ticket.id, ticket);
      this.past.add(ticket.id);
    }
    return [...this.known.values()];
  }

  has(id: string): boolean {
    return this.known.has(id) || this.past.has(id);
  }

  get(id: string): Ticket | undefined {
    return this.known.get(id);
  }

  async save(ticket: Ticket): Promise<void> {
    if (!ID.test(ticket.id)) throw new AzallError('argument', 'a message id is a file name');
    this.known.set(ticket.id, ticket);
    await this.disk.write(`${ticket.id}.json`, JSON.stringify(ticket));
  }

  /** The message is done with: it is marked as read, so that nobody takes it again. */
  async finish(id: string): Promise<void> {
    await this.disk.remove(`${id}.json`);
    this.known.delete(id);
  }

  /** Keeps a ticket that nobody works on any more, with the reason. */
  async putAside(ticket: Ticket): Promise<void> {
    await this.save(ticket);
    await this.disk.rename(`${ticket.id}.json`, `${ticket.id}${ASIDE}`);
    this.past.add(ticket.id);
    this.known.delete(ticket.id);
  }

  /** Whether an answer to this message is among those that wait, were sent, or failed. A message moves from the first to the others. */
  async isAnswered(ticket: Ticket): Promise<boolean> {
    const days = (await this.messages.names('folder')).filter((day) => /^\d{4}-\d\d-\d\d$/.test(day) && day >= ticket.day);
    for (const folder of ['outbox', 'sent', 'failed']) {
      for (const day of days) {
        if (await this.answers(`${day}/${folder}`, ticket.id)) return true;
      }
    }
    return false;
  }

  /** Whether a folder of messages has an answer to this one. What has moved on meanwhile is looked for in the next folder. */
  private async answers(folder: string, id: string): Promise<boolean> {
    const names = (await this.messages.names('file', folder)).filter((name) => name.endsWith('.txt'));
    const heads = await this.messages.heads(folder, names, HEAD_BYTES);
    return heads.some(({ bytes }) => {
      const { headers } = inCore(() => core.parseMessage(bytes));
      return headers.some(([header, value]) => header === 'In-Reply-To' && value === id);
    });
  }
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
