// Messages as they arrive.

import type { InboxListing, MessageRow } from '../types/core.js';
import type { Mailbox } from './mailbox.js';

/** How a mailbox is watched. */
export interface WatchOptions {
  /** Ends the watch, quietly. */
  signal?: AbortSignal | undefined;
  /** Seconds between cycles at relays at which one cannot wait, and for what neighbours drop; the config's without it. */
  interval?: number;
  /** Begin with what was not read yet, of any day. */
  unread?: boolean;
}

/** How often the inbox is looked at though nothing was told, in milliseconds: another process may have fetched what came. */
const LOOK_MS = 10_000;

/**
 * Runs the core's daemon and gives each message that comes meanwhile, once. What the daemon says of its work is no more than a bell:
 * what came is taken from the inbox itself.
 */
export async function* watch(
  mailbox: Mailbox,
  closed: AbortSignal,
  { signal, interval, unread = false }: WatchOptions,
): AsyncGenerator<MessageRow, void, undefined> {
  const leave = new AbortController();
  const stop = AbortSignal.any([closed, leave.signal, ...(signal === undefined ? [] : [signal])]);
  const isGoing = () => !stop.aborted;
  if (!isGoing()) return;
  const bell = new Bell(stop);
  const look = setInterval(() => bell.ring(), lookMs(interval));
  const inbox = new Inbox(mailbox);
  let daemon: Promise<void> | undefined;
  try {
    const first = await inbox.begin(unread);
    daemon = runDaemon(mailbox, interval, stop, bell);
    yield* whileGoing(isGoing, first);
    while (await bell.rung()) yield* whileGoing(isGoing, await inbox.news());
  } catch (thrown) {
    // A mailbox that was closed refuses to be looked at.
    if (isGoing()) throw thrown;
  } finally {
    clearInterval(look);
    leave.abort();
    // Told to stop it ends in its own time: what a relay hands out is stored first.
    await daemon;
  }
}

function lookMs(interval: number | undefined): number {
  return interval === undefined ? LOOK_MS : Math.min(Math.max(interval, 1) * 1_000, LOOK_MS);
}

/** Gives rows until the watch is to end. */
function* whileGoing(isGoing: () => boolean, rows: readonly MessageRow[]): Generator<MessageRow, void, undefined> {
  for (const row of rows) {
    if (!isGoing()) return;
    yield row;
  }
}

/** Runs the daemon to its end, which the bell is told of as well. */
async function runDaemon(mailbox: Mailbox, interval: number | undefined, signal: AbortSignal, bell: Bell): Promise<void> {
  try {
    await mailbox.run({ command: 'daemon', arguments: { interval: interval ?? null } }, { signal, onEvent: () => bell.ring() });
    bell.end();
  } catch (reason) {
    bell.end({ reason });
  }
}

/** The rows of the inbox that were not given yet. */
class Inbox {
  private readonly given = new Set<string>();
  private lastDay: string | null = null;

  constructor(private readonly mailbox: Mailbox) {}

  /** Counts what is there as known; gives what of it was not read yet, where that is wanted. */
  async begin(withUnread: boolean): Promise<MessageRow[]> {
    const today = await this.mailbox.inbox({ offline: true });
    this.note(today);
    if (!withUnread) return [];
    const unread = await this.mailbox.inbox({ offline: true, all: true, unread: true });
    return this.note(unread, true);
  }

  /** What came since. Messages lie under the day on which they came: today's, or at midnight still the day before. */
  async news(): Promise<MessageRow[]> {
    const before = this.lastDay;
    const today = await this.mailbox.inbox({ offline: true });
    if (before === null || before === today.date) return this.note(today);
    const late = this.note(await this.mailbox.inbox({ offline: true, date: before }));
    const fresh = this.note(today);
    this.forgetBefore(before);
    return [...late, ...fresh];
  }

  private note(listing: InboxListing, all = false): MessageRow[] {
    this.lastDay = listing.date ?? this.lastDay;
    const key = (row: MessageRow) => `${row.day}/${row.id}`;
    const fresh = listing.messages.filter((row) => all || !this.given.has(key(row)));
    for (const row of fresh) this.given.add(key(row));
    return fresh;
  }

  /** Days that are not looked at any more need not be known. */
  private forgetBefore(day: string): void {
    for (const key of this.given) if (key < day) this.given.delete(key);
  }
}

/** Rings once for any number of pulls until somebody has come, or until it is over. */
class Bell {
  private isRung = false;
  private over: { reason: unknown } | 'quietly' | undefined;
  private come: () => void = () => {};

  constructor(stop: AbortSignal) {
    stop.addEventListener('abort', () => this.end(), { once: true });
  }

  ring(): void {
    this.isRung = true;
    this.come();
  }

  /** It rings no more, for this reason if there is one. */
  end(failure?: { reason: unknown }): void {
    this.over ??= failure ?? 'quietly';
    this.come();
  }

  /** Waits until it rings; false when it is over. Throws what it is over for. */
  async rung(): Promise<boolean> {
    if (!this.isRung && this.over === undefined) {
      await new Promise<void>((resolve) => {
        this.come = resolve;
      });
    }
    if (typeof this.over === 'object') throw this.over.reason;
    this.isRung = false;
    return this.over === undefined;
  }
}
