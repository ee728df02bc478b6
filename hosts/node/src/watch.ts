// Messages as they arrive.

import type { InboxListing, MessageRow } from '../types/core.js';
import type { Mailbox } from './mailbox.js';

export interface WatchOptions {
  /** Ends the watch, quietly. */
  signal?: AbortSignal | undefined;
  /** Seconds between cycles at relays at which one cannot wait, and for what neighbours drop; the config's without it. */
  interval?: number;
  /** Begin with what was not read yet, of any day. */
  unread?: boolean;
}

/**
 * Runs the core's daemon and gives each message that comes meanwhile, once. What the daemon says of its work is no more than a bell:
 * what came is taken from the inbox itself.
 */
export async function* watch(
  mailbox: Mailbox,
  closed: AbortSignal,
  options: WatchOptions,
): AsyncGenerator<MessageRow, void, undefined> {
  const stop = new AbortController();
  const bell = new Bell();
  const end = () => {
    stop.abort();
    bell.ring();
  };
  const signals = [closed, options.signal].filter((signal) => signal !== undefined);
  if (signals.some((signal) => signal.aborted)) return;
  for (const signal of signals) signal.addEventListener('abort', end, { once: true });
  let daemon: Promise<unknown> | undefined;
  try {
    const inbox = new Inbox(mailbox);
    const unread = await inbox.begin(options.unread === true);
    daemon = listen(mailbox, options.interval, stop.signal, bell);
    for (const row of unread) yield row;
    while (!stop.signal.aborted) {
      await bell.rung(daemon);
      if (stop.signal.aborted) return;
      for (const row of await inbox.news()) yield row;
    }
  } finally {
    stop.abort();
    for (const signal of signals) signal.removeEventListener('abort', end);
    // Told to stop it ends in its own time: what a relay hands out is stored first. What it failed with was thrown above.
    await daemon?.catch(() => {});
  }
}

async function listen(mailbox: Mailbox, interval: number | undefined, signal: AbortSignal, bell: Bell): Promise<void> {
  await mailbox.run({ command: 'daemon', arguments: { interval: interval ?? null } }, { signal, onEvent: () => bell.ring() });
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
    const late = before !== null && before !== today.date ? [await this.mailbox.inbox({ offline: true, date: before })] : [];
    return [...late, today].flatMap((listing) => this.note(listing));
  }

  private note(listing: InboxListing, all = false): MessageRow[] {
    this.lastDay = listing.date ?? this.lastDay;
    const key = (row: MessageRow) => `${row.day}/${row.id}`;
    const fresh = listing.messages.filter((row) => all || !this.given.has(key(row)));
    for (const row of fresh) this.given.add(key(row));
    return fresh;
  }
}

/** Rings once for any number of pulls until somebody has come. */
class Bell {
  private isRung = false;
  private come: () => void = () => {};

  ring(): void {
    this.isRung = true;
    this.come();
  }

  /** Waits until it rings, or fails with what the work that rings it fails with. */
  async rung(work: Promise<unknown>): Promise<void> {
    if (!this.isRung) {
      const ring = new Promise<void>((resolve) => {
        this.come = resolve;
      });
      await Promise.race([ring, work]);
    }
    this.isRung = false;
  }
}
