// What the core asks of its host, and what it is answered: each effect's contract is told in the core, beside its type.

import type { EffectAnswers, EffectFields, EffectKind, IoErrorKind } from '../types/core.js';

export type {
  EffectKind,
  Facts,
  FileHead,
  FolderEntry as Entry,
  HttpAnswer,
  IoError,
  IoErrorKind,
  Place,
  Result,
  Root,
  ScriptResult,
} from '../types/core.js';

/** What a handler throws for an effect that failed. */
export class EffectError extends Error {
  override readonly name = 'EffectError';

  constructor(
    readonly kind: IoErrorKind,
    message: string,
  ) {
    super(message);
  }
}

/** Each effect's fields and the type of its answer. */
export type Effects = { [K in EffectKind]: { fields: EffectFields[K]; answer: EffectAnswers[K] } };

/** The fields of one kind of effect. */
export type EffectOf<K extends EffectKind> = EffectFields[K];

/** Answers one kind of effect; throws an `EffectError` where it fails. The signal says that nobody waits for the answer any more. */
export type Handler<K extends EffectKind> = (
  effect: EffectOf<K>,
  signal: AbortSignal,
) => Promise<EffectAnswers[K]> | EffectAnswers[K];

/** A handler for every kind of effect. */
export type Handlers = { [K in EffectKind]: Handler<K> };
