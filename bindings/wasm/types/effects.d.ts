// What an operation may ask of its host, and what the host answers. `docs/wasm.md` says what each promises.

/** Data: what the formats have. Integers that a number does not hold exactly are `bigint`s. */
export type Data = null | boolean | number | bigint | string | Uint8Array | Data[] | { [field: string]: Data };

/** The folders that a host opens: that of the config, the mailboxes folder, and `shared` beside it. */
export type Root = 'config' | 'mailboxes' | 'shared';

/** A file or folder: a root and a checked path below it, with `/` between its parts. */
export interface Place {
  root: Root;
  path: string;
}

/** What kind of failure an effect met. */
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

/** What came of something. */
export type Result<T> = { Ok: T } | { Err: IoError };

/** The first bytes of a file, and whether it goes on. */
export interface FileHead {
  bytes: Uint8Array;
  truncated: boolean;
}

/** An entry of a folder. */
export interface FolderEntry {
  name: string;
  /** `linkedfolder`: a symbolic link to a folder. `other` is listed and never opened. */
  kind: 'file' | 'folder' | 'linkedfolder' | 'other';
  size: number;
  /** Of the last change of its content, or of its name or rights where that was later. */
  modified_ms: number;
}

/** Facts about the machine. */
export interface Facts {
  machine_name: string;
  /** `Linux`, `Darwin`, `Windows`, or what else it is. */
  system: string;
  /** Empty where the host knows none. */
  fingerprint_parts: string[];
  /** The process, for the owner's line in a lock. */
  process: string;
}

/** The answer to a request, whatever its status; redirects are not followed. */
export interface HttpAnswer {
  status: number;
  /** Names in lower case. */
  headers: Header[];
  body: Uint8Array;
  /** Why the rest of the body did not come; `body` is what came before, and not empty. */
  broken?: IoError;
}

/** What a script did. */
export interface ScriptResult {
  code: number | null;
  timed_out: boolean;
  stdout: Uint8Array;
  stderr: Uint8Array;
  truncated: boolean;
}

/** Each effect's own fields. */
export interface EffectFields {
  /** The whole content of one file, of at most `limit` bytes, else `too_large`. */
  ReadFile: { place: Place; limit: number };
  /** The first `limit` bytes of many files of one folder. */
  ReadMany: { folder: Place; names: string[]; limit: number };
  /** The entries of a folder, in any order. */
  List: { folder: Place; with_meta: boolean };
  /** Writes a file so that it is complete and durable, or not there at all. */
  WriteAtomic: { place: Place; bytes: Uint8Array; private: boolean; exclusive: boolean };
  /** Appends to a file, durably. */
  Append: { place: Place; bytes: Uint8Array; private: boolean };
  /** Renames a file or folder, durably. */
  Rename: { from: Place; to: Place; exclusive: boolean };
  /** Removes a file, or a folder with all that is in it. A missing one is no error. */
  Remove: { place: Place };
  /** Exactly `count` bytes from the system's generator, at most 1024. */
  Random: { count: number };
  HostFacts: object;
  /** One HTTP request, complete. */
  Http: { method: string; url: string; headers: Header[]; body: Uint8Array; limit: number; timeout_ms: number };
  /** Runs a Python script of the mailbox. */
  RunScript: { script: Place; folder: Place; args: string[]; timeout_ms: number; output_limit: number };
}

/** What each effect is answered with. */
export interface EffectAnswers {
  ReadFile: Uint8Array;
  ReadMany: Result<FileHead>[];
  List: FolderEntry[];
  WriteAtomic: null;
  Append: null;
  Rename: null;
  Remove: null;
  Random: Uint8Array;
  HostFacts: Facts;
  Http: HttpAnswer;
  RunScript: ScriptResult;
}

export type EffectKind = keyof EffectFields;

/** A request to the host, told apart by `kind`. */
export type Effect = { [K in EffectKind]: { kind: K } & EffectFields[K] }[EffectKind];

/** The answer to an effect of a kind. */
export type Answer<K extends EffectKind = EffectKind> = { [Kind in K]: Result<EffectAnswers[Kind]> }[K];
