// Reading and verifying messages: what every build of the module has.

/** What every function and method throws when something is wrong. */
export interface AzallError extends Error {
  readonly name: 'AzallError';
  /** A word for the kind of error; `argument` where a value is not what it must be. */
  readonly code: string;
  /** The exit code that the command line gives for it: 1 failed, 2 usage, 3 refused by policy. */
  readonly exitCode: number;
}

/** A public key: 32 bytes, or their base64. */
export type PublicKey = Uint8Array | string;

/** Keys that a signature may name without bringing them, by fingerprint. */
export type KnownKeys = Readonly<Record<string, PublicKey>>;

/** A header's name and its value. */
export type Header = [name: string, value: string];

/** A message file, taken apart. */
export interface Message {
  headers: Header[];
  body: string;
}

/** What a signature proves: headers and text, the text alone, nothing (it is wrong), nothing (its key is not known), nothing (there is none). */
export type VerdictWord = 'valid' | 'body-only' | 'invalid' | 'unknown-key' | 'unsigned';

/** What a signature proves, and of what. */
export interface Verified {
  verdict: VerdictWord;
  /** The form of the signature. */
  envelope: 'version-1' | 'version-2' | 'documented' | 'legacy' | 'none';
  /** The signing key's fingerprint, where one is stated. */
  fingerprint: string | null;
  /** The signing key, where it is brought along. */
  public_key: Uint8Array | null;
  /** Why it is invalid. */
  reason: string | null;
  /** The signed headers, where they are proven. */
  headers: Record<string, string> | null;
  /** The signed text; all of it where nothing is signed. */
  text: string;
  /** What stands before the signed part, which nobody vouches for. */
  before: string;
  /** What stands after it. */
  after: string;
}

/** The version of azall. */
export function version(): string;

/** Takes a message file apart, whatever is in it. */
export function parseMessage(file: Uint8Array): Message;

/** Verifies a message file: what its signature proves of its headers and its body. */
export function verify(file: Uint8Array, knownKeys?: KnownKeys): Verified;

/** Verifies a body with the headers beside it, if any; or any text with an envelope in it. */
export function verifyBody(headers: readonly (readonly [name: string, value: string])[], body: string, knownKeys?: KnownKeys): Verified;

/** The fingerprint of a public key. */
export function fingerprintOf(publicKey: PublicKey): string;
