// The drive loop: runs an operation of the core to its end, over any handlers. It needs nothing of Node, so a browser runs it too.

import type {
  Answer,
  CommandName,
  DoneStep,
  Effect,
  EffectAnswers,
  EffectFields,
  EffectKind,
  EventStep,
  IoError,
  Now,
  Op,
  OpenedStep,
  Result,
  WaitStep,
} from '../types/core.js';
import { EffectError, type Handlers } from './effects.js';
import { AzallError, fromCore } from './errors.js';

export type { DoneStep, Effect, Now as Moment, OpenedStep, Step } from '../types/core.js';
export * from './effects.js';
export { AzallError, fromCore } from './errors.js';

/** A line for whoever watches. Its text may quote text from outside. */
export type Event = Omit<EventStep, 'step'>;

/** An operation of the core. */
export type Operation<N extends CommandName = CommandName> = Pick<Op<N>, 'poll' | 'resume' | 'cancel'>;

export interface DriveOptions {
  /** Is told of progress and notices. */
  onEvent?: ((event: Event) => void) | undefined;
  /** Asks the operation to stop at its next safe point. */
  signal?: AbortSignal | undefined;
  /** How long requests and scripts may still take once the operation is to stop, in milliseconds. */
  graceMs?: number | undefined;
  /** Is told when requests or scripts were given up after the grace: what the operation gives then is not all that it would have. */
  onGiveUp?: (() => void) | undefined;
  /** The clock. */
  now?: () => Now;
}

/** How long requests may still take: what a relay is handing out it may have deleted, so they are not cut off at once. */
const GRACE_MS = 8_000;

/** The longest wait for a deadline: the system's clock may be set, or the machine sleep, meanwhile. */
const LONGEST_WAIT_MS = 30_000;

/** The most requests and scripts at once; more wait their turn. */
const MOST_SLOW = 16;

/** Effects that may take long, and that nobody waits for once the operation has been told to stop and the grace is over. */
const SLOW: ReadonlySet<EffectKind> = new Set(['Http', 'RunScript']);

/** This moment, by the system's clock and time zone. */
export function systemNow(): Now {
  const date = new Date();
  return { unix_ms: date.getTime(), offset_seconds: -Math.round(date.getTimezoneOffset() * 60) };
}

/** Runs an operation to its end and gives its last step; throws what it failed with. */
export async function drive<N extends CommandName>(
  op: Operation<N>,
  handlers: Handlers,
  options: DriveOptions = {},
): Promise<OpenedStep | DoneStep<N>> {
  const loop = new Loop(op, handlers, options);
  try {
    const last = await loop.run();
    if (loop.failure !== undefined) throw loop.failure.reason;
    return last;
  } catch (thrown) {
    throw loop.failure === undefined ? fromCore(thrown) : loop.failure.reason;
  } finally {
    loop.end();
  }
}

/** An answer to the effect of this number. */
interface Answered {
  id: number;
  answer: Answer;
}

class Loop<N extends CommandName> {
  /** Answers that came and were not given to the operation yet. */
  private readonly answered: Answered[] = [];
  /** Requests and scripts that are under way or wait, by their number. */
  private readonly slow = new Set<number>();
  private readonly queued: { id: number; effect: Effect }[] = [];
  private slowRunning = 0;
  /** Aborted when nobody waits for any answer any more. */
  private readonly over = new AbortController();
  private giveUpAt: number | undefined;
  /** What the owner of the operation failed with when it was told an event. */
  failure: { reason: unknown } | undefined;
  private wake: () => void = () => {};
  private readonly onAbort = () => this.wake();
  private readonly now: () => Now;

  constructor(
    private readonly op: Operation<N>,
    private readonly handlers: Handlers,
    private readonly options: DriveOptions,
  ) {
    this.now = options.now ?? systemNow;
    options.signal?.addEventListener('abort', this.onAbort);
  }

  async run(): Promise<OpenedStep | DoneStep<N>> {
    for (;;) {
      if (this.isToStop() && this.giveUpAt === undefined) {
        this.giveUpAt = performance.now() + (this.options.graceMs ?? GRACE_MS);
        this.op.cancel();
      }
      const next = this.goOn();
      if (next.step !== 'wait') return next;
      await this.wait(next.until);
      this.giveUp();
      for (const { id, answer } of this.answered.splice(0)) this.op.resume(id, answer);
    }
  }

  end(): void {
    this.options.signal?.removeEventListener('abort', this.onAbort);
    this.over.abort();
  }

  /** Polls until there is nothing to do but wait. */
  private goOn(): OpenedStep | DoneStep<N> | WaitStep {
    for (;;) {
      const step = this.op.poll(this.now());
      if (step.step === 'effect') this.start(step.id, step.effect);
      else if (step.step === 'event') this.tell({ level: step.level, text: step.text });
      else return step;
    }
  }

  private isToStop(): boolean {
    return this.options.signal?.aborted === true || this.failure !== undefined;
  }

  /** An owner that fails is told so in the end: first the operation stops where it leaves nothing locked. */
  private tell(event: Event): void {
    try {
      this.options.onEvent?.(event);
    } catch (reason) {
      this.failure ??= { reason };
    }
  }

  private start(id: number, effect: Effect): void {
    if (!SLOW.has(effect.kind)) {
      void this.answer(id, effect);
      return;
    }
    this.slow.add(id);
    this.queued.push({ id, effect });
    this.startQueued();
  }

  private startQueued(): void {
    while (this.slowRunning < MOST_SLOW) {
      const next = this.queued.shift();
      if (next === undefined) return;
      this.slowRunning += 1;
      void this.answer(next.id, next.effect).then(() => {
        this.slowRunning -= 1;
        this.startQueued();
      });
    }
  }

  private async answer(id: number, effect: Effect): Promise<void> {
    // Of the kind that the effect is of, which TypeScript does not see.
    const answer = (await this.handle(effect)) as Answer;
    // Of what was given up the operation knows no more.
    if (SLOW.has(effect.kind) && !this.slow.delete(id)) return;
    this.answered.push({ id, answer });
    this.wake();
  }

  private async handle<K extends EffectKind>(effect: { kind: K } & EffectFields[K]): Promise<Result<EffectAnswers[K]>> {
    // Whoever writes handlers in JavaScript may leave some out.
    const handler = Object.hasOwn(this.handlers, effect.kind) ? this.handlers[effect.kind] : undefined;
    if (handler === undefined) return failed('unsupported', 'this host does not know the effect');
    try {
      return { Ok: await handler(effect, this.over.signal) };
    } catch (thrown) {
      if (thrown instanceof EffectError) return failed(thrown.kind, thrown.message);
      return failed('other', thrown instanceof Error ? thrown.message : 'the host failed');
    }
  }

  /** Waits for an answer, the deadline, the wish to stop unless it was obeyed already, or the end of the grace. */
  private wait(until: number | null): Promise<void> {
    if (this.answered.length > 0 || (this.isToStop() && this.giveUpAt === undefined)) return Promise.resolve();
    let ms = until === null ? LONGEST_WAIT_MS : Math.min(Math.max(until - this.now().unix_ms, 0), LONGEST_WAIT_MS);
    if (this.giveUpAt !== undefined && this.slow.size > 0) ms = Math.min(ms, Math.max(this.giveUpAt - performance.now(), 0));
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      this.wake = done;
      const stop = () => {
        clearTimeout(timer);
        this.wake = () => {};
      };
      function done(): void {
        stop();
        resolve();
      }
    });
  }

  /** Once the grace is over, requests and scripts are answered by a failure. */
  private giveUp(): void {
    if (this.giveUpAt === undefined || performance.now() < this.giveUpAt) return;
    if (this.slow.size > 0) this.options.onGiveUp?.();
    this.queued.length = 0;
    for (const id of this.slow) this.answered.push({ id, answer: failed('timed_out', 'told to stop before an answer came') });
    this.slow.clear();
  }
}

function failed(kind: EffectError['kind'], message: string): { Err: IoError } {
  return { Err: { kind, message } };
}

/** Gives the reason of an aborted signal in place of the failure that it led to. */
export function abortedOr(thrown: unknown, signal: AbortSignal | undefined): unknown {
  const stopped = signal?.aborted === true && thrown instanceof AzallError && thrown.code === 'cancelled';
  return stopped ? signal.reason : thrown;
}
