// What the core asks of its host, and what it is answered: each effect's contract is told in the core, beside its type.

/** The kinds of failures of an effect. */
export type IoErrorKind =
  | 'not_found'
  | 'already_exists'
  | 'permission_denied'
  | 'storage_full'
  | 'timed_out'
  | 'unreachable'
  | 'tls'
  | 'too_large'
  | 'unsupported'
  | 'other';

/** A failed effect. The message is for people and never holds a secret. */
export interface IoError {
  kind: IoErrorKind;
  message: string;
}

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

/** The folders that a host opens for an operation. */
export type Root = 'config' | 'mailboxes' | 'shared';

/** A path below a root: `/`-separated, relative. */
export interface Place {
  root: Root;
  path: string;
}

/** The answer to a part of an effect. */
export type Result<T> = { Ok: T } | { Err: IoError };

export interface FileHead {
  bytes: Uint8Array;
  truncated: boolean;
}

export interface Entry {
  name: string;
  kind: 'file' | 'folder' | 'linkedfolder' | 'other';
  size: number;
  modified_ms: number;
}

export interface Facts {
  machine_name: string;
  system: string;
  fingerprint_parts: string[];
  process: string;
}

export interface HttpAnswer {
  status: number;
  headers: [string, string][];
  body: Uint8Array;
}

export interface ScriptResult {
  code: number | null;
  timed_out: boolean;
  stdout: Uint8Array;
  stderr: Uint8Array;
  truncated: boolean;
}

/** Each effect's fields and the type of its answer. */
export interface Effects {
  ReadFile: { fields: { place: Place; limit: number }; answer: Uint8Array };
  ReadMany: { fields: { folder: Place; names: string[]; limit: number }; answer: Result<FileHead>[] };
  List: { fields: { folder: Place; with_meta: boolean }; answer: Entry[] };
  WriteAtomic: { fields: { place: Place; bytes: Uint8Array; private: boolean; exclusive: boolean }; answer: null };
  Append: { fields: { place: Place; bytes: Uint8Array; private: boolean }; answer: null };
  Rename: { fields: { from: Place; to: Place; exclusive: boolean }; answer: null };
  Remove: { fields: { place: Place }; answer: null };
  Random: { fields: { count: number }; answer: Uint8Array };
  HostFacts: { fields: object; answer: Facts };
  Http: {
    fields: {
      method: string;
      url: string;
      headers: [string, string][];
      body: Uint8Array;
      limit: number;
      timeout_ms: number;
    };
    answer: HttpAnswer;
  };
  RunScript: { fields: { script: Place; folder: Place; args: string[]; timeout_ms: number; output_limit: number }; answer: ScriptResult };
}

export type EffectKind = keyof Effects;

/** The fields of one kind of effect. */
export type EffectOf<K extends EffectKind> = Effects[K]['fields'];

/** Answers one kind of effect; throws an `EffectError` where it fails. The signal says that nobody waits for the answer any more. */
export type Handler<K extends EffectKind> = (
  effect: EffectOf<K>,
  signal: AbortSignal,
) => Promise<Effects[K]['answer']> | Effects[K]['answer'];

/** A handler for every kind of effect. */
export type Handlers = { [K in EffectKind]: Handler<K> };
