// What the package throws.

import type { AzallError as Thrown } from '../types/core.js';

/** A failure: a word for programs (`code`), a sentence for people, and the exit code that the command line gives for it. */
export class AzallError extends Error implements Thrown {
  override readonly name = 'AzallError';

  constructor(
    /** A word for the kind of failure; these words stay as they are from one version to the next. */
    readonly code: string,
    message: string,
    /** 1 failed, 2 usage, 3 refused by policy. */
    readonly exitCode = 1,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Makes an `AzallError` of what the core threw; anything else stays what it is. */
export function fromCore(thrown: unknown): unknown {
  if (thrown instanceof AzallError || !(thrown instanceof Error) || thrown.name !== 'AzallError') return thrown;
  const { code, exitCode } = thrown as Error & { code?: unknown; exitCode?: unknown };
  return new AzallError(typeof code === 'string' ? code : 'host', thrown.message, typeof exitCode === 'number' ? exitCode : 1);
}

/** Calls into the core. */
export function inCore<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    throw fromCore(thrown);
  }
}
