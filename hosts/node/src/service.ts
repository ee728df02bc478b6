// An agent that serves: each message is answered once. The guarantee, exactly:
//
// - A message that the service has taken is not lost by a crash: its ticket is on the disk before the message is marked as read.
// - It gets one answer. The answer is on the disk, in its ticket, before it is sent; after a crash the service looks among its own
//   messages for an answer to that message before it sends the ticket's. So there is never a second one, as long as nobody removes
//   messages from the outbox meanwhile.
// - The handler runs at least once for each message, and once only unless it fails, or the process ends or is told to stop while it runs.
// - A message whose handler fails (or ends the process) more often than `retries` says is put aside, with the reason, and stays in
//   the inbox; no other message waits for it. What was worked on when the process ended is tried by itself first, so that a message is
//   not blamed for its neighbour.

import type { MessageRow, ReadMessage } from '../types/core.js';
import { AzallError } from './errors.js';
import type { Attachment, Mailbox } from './mailbox.js';
import { Tickets, type Reply, type Ticket } from './tickets.js';
import { words } from './system.js';

/** What a handler gives: a text, a text with files, or nothing where there is nothing to answer. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- a handler without a return gives just that
export type Answer = string | { body: string; attachments?: readonly { name: string; bytes: Uint8Array }[] } | null | undefined | void;

/** What a handler is told beside the message. */
export interface ServiceContext {
  mailbox: Mailbox;
  /** 1 for the first attempt. */
  attempt: number;
  /** Aborted when the service is to stop; a handler may go on to its end. */
  signal: AbortSignal;
}

export interface ServiceOptions {
  /** Its name: each service of a mailbox has its own tickets. */
  name?: string;
  /** The most messages that are worked on at once. */
  concurrency?: number;
  /** How often a handler that failed is tried again before its message is put aside. */
  retries?: number;
  /** The pause before the first retry, in milliseconds; it doubles from one to the next, up to a minute. */
  backoffMs?: number;
  /** Seconds between cycles, as for `Mailbox.watch`. */
  interval?: number;
  /** Which messages it takes; those that are answers to others it leaves alone without this, lest two services talk for ever. */
  accepts?: (row: MessageRow) => boolean;
  /** Also takes messages that are answers. */
  answersAnswers?: boolean;
  /** Is told of each message that was put aside. */
  onPutAside?: (id: string, reason: string) => void;
  /** Stops the service: it finishes what is under way and takes nothing new. */
  signal?: AbortSignal | undefined;
}

/** What a service did until it was stopped. */
export interface ServiceReport {
  /** Messages that were answered. */
  answered: number;
  /** Messages that needed no answer. */
  finished: number;
  /** Messages that were put aside. */
  putAside: number;
}

const LONGEST_BACKOFF_MS = 60_000;

/** Serves until the signal is aborted. */
export async function service(
  mailbox: Mailbox,
  handler: (message: ReadMessage, context: ServiceContext) => Promise<Answer> | Answer,
  options: ServiceOptions = {},
): Promise<ServiceReport> {
  const tickets = await Tickets.open(mailbox, options.name ?? 'service');
  try {
    return await new Service(mailbox, handler, options, tickets).run();
  } finally {
    await tickets.close();
  }
}

class Service {
  private readonly report: ServiceReport = { answered: 0, finished: 0, putAside: 0 };
  private readonly stop = new AbortController();
  private readonly slots: Slots;
  private readonly retries: number;
  private readonly working = new Set<Promise<void>>();
  /** What ended the service: the mailbox cannot be written, say. */
  private failure: { reason: unknown } | undefined;

  constructor(
    private readonly mailbox: Mailbox,
    private readonly handler: (message: ReadMessage, context: ServiceContext) => Promise<Answer> | Answer,
    private readonly options: ServiceOptions,
    private readonly tickets: Tickets,
  ) {
    this.slots = new Slots(options.concurrency ?? 1);
    this.retries = options.retries ?? 5;
  }

  async run(): Promise<ServiceReport> {
    const end = () => this.stop.abort();
    this.options.signal?.addEventListener('abort', end, { once: true });
    if (this.options.signal?.aborted) end();
    try {
      for (const ticket of await this.resume()) await this.begin(ticket);
      const { interval } = this.options;
      const watched = { unread: true, signal: this.stop.signal, ...(interval === undefined ? {} : { interval }) };
      for await (const row of this.mailbox.watch(watched)) {
        if (this.wants(row)) await this.begin({ id: row.id, day: row.day, state: 'taken', attempts: 0 });
      }
    } finally {
      end();
      this.options.signal?.removeEventListener('abort', end);
      await Promise.all(this.working);
    }
    if (this.failure !== undefined) throw this.failure.reason;
    return this.report;
  }

  /** What an earlier run has left and is to be worked on. What was worked on when the process ended may have ended it, so it is tried by
   * itself first; where there were several, nobody knows which one it was, and it counts for none of them. */
  private async resume(): Promise<Ticket[]> {
    const left = await this.tickets.all();
    const suspects = left.filter((ticket) => ticket.state === 'taken' && ticket.running === true);
    const next = left.filter((ticket) => !suspects.includes(ticket));
    const uncounted = suspects.length === 1 ? 0 : 1;
    const quiet = suspects.map((ticket) => stopped(ticket, ticket.attempts - uncounted));
    for (const ticket of quiet) await this.tickets.save(ticket);
    for (const ticket of quiet) {
      if (this.stop.signal.aborted) break;
      const again = await this.attempt(ticket);
      if (again !== undefined) next.push(again);
    }
    return next;
  }

  private wants(row: MessageRow): boolean {
    return row.from !== this.mailbox.address && !this.tickets.has(row.id) && (this.options.accepts?.(row) ?? true);
  }

  /** Starts work on a message once there is a slot for it. */
  private async begin(ticket: Ticket): Promise<void> {
    if (!(await this.slots.take(this.stop.signal))) return;
    const work = this.work(ticket).catch((reason: unknown) => {
      this.failure ??= { reason };
      this.stop.abort();
    });
    this.working.add(work);
    void work.finally(() => this.working.delete(work));
  }

  /** Works on a message, with a slot that is its own but while it waits. */
  private async work(ticket: Ticket): Promise<void> {
    let holds = true;
    try {
      let next = await this.attempt(ticket);
      while (next !== undefined) {
        this.slots.give();
        holds = false;
        await pause(this.backoff(next.attempts), this.stop.signal);
        holds = await this.slots.take(this.stop.signal);
        if (!holds) return;
        next = await this.attempt(next);
      }
    } finally {
      if (holds) this.slots.give();
    }
  }

  private backoff(attempts: number): number {
    return Math.min((this.options.backoffMs ?? 1_000) * 2 ** Math.max(attempts - 1, 0), LONGEST_BACKOFF_MS);
  }

  /** One attempt; gives the ticket where another has to follow. */
  private async attempt(ticket: Ticket): Promise<Ticket | undefined> {
    if (ticket.state === 'taken' && ticket.attempts > this.retries) return this.putAside(ticket);
    const begun = { ...ticket, attempts: ticket.attempts + 1, running: true };
    await this.tickets.save(begun);
    try {
      await this.serve(begun);
      return undefined;
    } catch (thrown) {
      const latest = this.tickets.get(ticket.id) ?? begun;
      // That the service is to stop is no fault of the message.
      if (!isOver(thrown, this.stop.signal)) return this.failed(ticket, latest, thrown);
      await this.tickets.save(stopped(latest, ticket.attempts));
      return undefined;
    }
  }

  /** What becomes of an attempt that failed. */
  private async failed(before: Ticket, begun: Ticket, thrown: unknown): Promise<Ticket | undefined> {
    const ticket = { ...stopped(begun), problem: words(thrown) };
    // Another process holds the mailbox, or held it when it was killed: that is no fault of the message either.
    if (thrown instanceof AzallError && thrown.code === 'locked') return { ...ticket, attempts: before.attempts };
    if (ticket.attempts > this.retries) return this.putAside(ticket);
    await this.tickets.save(ticket);
    return ticket;
  }

  private async putAside(ticket: Ticket): Promise<undefined> {
    const reason = ticket.problem ?? 'the process ended while it was worked on';
    await this.tickets.putAside({ ...ticket, problem: reason });
    this.report.putAside += 1;
    this.options.onPutAside?.(ticket.id, reason);
    return undefined;
  }

  private async serve(ticket: Ticket): Promise<void> {
    if (ticket.state === 'replying' && ticket.reply !== undefined) {
      await this.send(ticket, ticket.reply);
      return;
    }
    const message = await this.mailbox.read(ticket.id, { date: ticket.day });
    const isAnswer = message.headers.some(([name]) => name.toLowerCase() === 'in-reply-to');
    const skipped = isAnswer && this.options.answersAnswers !== true;
    const context = { mailbox: this.mailbox, attempt: ticket.attempts, signal: this.stop.signal };
    const answer = skipped ? undefined : await this.handler(message, context);
    if (answer === null || answer === undefined) {
      await this.tickets.finish(ticket.id);
      this.report.finished += 1;
      return;
    }
    const { body, attachments = [] } = typeof answer === 'string' ? { body: answer } : answer;
    const reply: Reply = { body, attachments: attachments.map(({ name, bytes }) => ({ name, base64: base64(bytes) })) };
    const replying: Ticket = { ...ticket, state: 'replying', reply };
    await this.tickets.save(replying);
    await this.send(replying, reply, true);
  }

  /** Sends an answer unless it was sent already: only what this process has just written down is known to be new. */
  private async send(ticket: Ticket, reply: Reply, isNew = false): Promise<void> {
    if (isNew || !(await this.tickets.isAnswered(ticket))) {
      const attachments: Attachment[] = reply.attachments.map(({ name, base64 }) => ({ name, bytes: bytes(base64) }));
      await this.mailbox.reply(ticket.id, { body: reply.body, attachments });
    }
    await this.tickets.finish(ticket.id);
    this.report.answered += 1;
  }
}

/** A ticket that nobody works on. */
function stopped(ticket: Ticket, attempts = ticket.attempts): Ticket {
  return { ...ticket, attempts, running: false };
}

/** Whether a handler gave up because the service is to stop: its message is worked on by the next run. */
function isOver(thrown: unknown, signal: AbortSignal): boolean {
  const gaveUp = thrown instanceof AzallError ? thrown.code === 'cancelled' : thrown instanceof Error && thrown.name === 'AbortError';
  return signal.aborted && (gaveUp || thrown === signal.reason);
}

const base64 = (data: Uint8Array): string => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

/** Waits, or until the signal. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

/** A number of slots, given out in the order in which they were asked for. */
class Slots {
  private readonly waiting: (() => void)[] = [];

  constructor(private free: number) {
    if (!(Number.isInteger(free) && free > 0)) throw new AzallError('argument', 'concurrency is a whole number from 1 on', 2);
  }

  /** Takes a slot; false when the signal was aborted before there was one. */
  take(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.free > 0) {
      this.free -= 1;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const come = () => {
        signal.removeEventListener('abort', leave);
        resolve(true);
      };
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(come), 1);
        resolve(false);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.waiting.push(come);
    });
  }

  give(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.free += 1;
    else next();
  }
}
