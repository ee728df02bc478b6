// The protocol's functions. None asks for time, files or randomness: what they need of those is an argument.

/** A moment, as the host's clock and time zone have it. */
export interface Now {
  /** Milliseconds since 1970-01-01T00:00:00Z, a whole number. */
  unix_ms: number;
  /** Seconds east of UTC, of the local time zone at this moment. */
  offset_seconds: number;
}

/** A day, `YYYY-MM-DD`. */
export type Day = string;

/** What a message file is written of. */
export interface NewMessage {
  from: string;
  to: string;
  cc?: string | null;
  subject?: string;
  date: string;
  message_id: string;
  in_reply_to?: string | null;
  /** Names of attachments. */
  attachments?: readonly string[];
  body?: string;
}

/** Writes a message file. A value that would break out of its header is refused (`message`). */
export function formatMessage(message: NewMessage): string;

/** The id of a message that is new: of its headers, the local time as ISO 8601 and 16 random hex digits. */
export function newMessageId(from: string, to: string, subject: string, isoNow: string, randomHex: string): string;

/** A name as a file name. */
export function sanitizeName(name: string): string;

/** A key pair. */
export class Identity {
  private constructor();
  /** From a private key: 32 bytes from the system's generator. */
  static fromSeed(seed: Uint8Array): Identity;
  /** From its file. */
  static parse(file: Uint8Array): Identity;
  /** Its file. It holds the private key: write it readable by its owner alone. */
  toJson(created: string): string;
  readonly fingerprint: string;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The signature of some bytes, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

/** Headers and attachments that a signature covers. */
export interface MessageHeaders {
  from: string;
  to: readonly string[];
  cc?: readonly string[];
  subject?: string;
  date: string;
  message_id: string;
  in_reply_to?: string | null;
  /** `sha256` in hex. */
  attachments?: readonly { name: string; size: number; sha256: string }[];
}

/** The headers of the documented form of a signature. */
export interface DocumentedHeaders {
  from: string;
  to: readonly string[];
  date: string;
  subject?: string;
}

/** Signs a body alone, as every existing client reads it (envelope 1). */
export function signBody(identity: Identity, body: string): string;

/** Signs a body with its headers and attachments (envelope 2). */
export function signMessage(identity: Identity, headers: MessageHeaders, body: string): string;

/** Signs a body with four headers in the documented form. */
export function signDocumented(identity: Identity, headers: DocumentedHeaders, body: string): string;

/** The address filter, as the config has it. */
export interface Filter {
  mode?: 'blacklist' | 'whitelist' | 'off';
  blacklist?: readonly string[];
  whitelist?: readonly string[];
  log_blocked?: boolean;
}

/** Whether a filter lets a sender through. */
export function filterAccepts(filter: Filter, sender: string): boolean;

/** What a keyring says of a key: seen from this address before, the first, another than before, or without the proof that it gave before. */
export type Peer = 'known' | 'first-seen' | 'key-changed' | 'downgraded';

/** A key of a keyring. */
export interface KeyringEntry {
  fingerprint: string;
  public_key: Uint8Array;
  addresses: string[];
  first_seen: string;
  last_seen: string;
  envelope2: boolean;
  trusted: boolean;
}

/** The keys of peers. */
export class Keyring {
  /** Without a key. */
  constructor();
  /** From its file. */
  static parse(file: Uint8Array): Keyring;
  /** Its file. */
  toJson(): string;
  /** The public key of a fingerprint; null when it is not known. */
  lookup(fingerprint: string): Uint8Array | null;
  /** What it says of a key that an address uses, which it remembers. */
  observe(from: string, publicKey: PublicKey, usedEnvelope2: boolean, now: Now): Peer;
  /** Accepts a key for the addresses that it was seen with; false when there is none. */
  trust(fingerprint: string): boolean;
  /** Forgets a key; false when there is none. */
  forget(fingerprint: string): boolean;
  entries(): KeyringEntry[];
}

/** Which messages were received already: the newest 10,000, or as many as `capacity` says. */
export class SeenIds {
  constructor(capacity?: number);
  /** From its file. */
  static parse(file: Uint8Array, capacity?: number): SeenIds;
  /** Whether a message was received: by its signed id and its key, its id and its sender, or the id that a transport gave it. */
  has(kind: 'signed', id: string, fingerprint: string): boolean;
  has(kind: 'unsigned', id: string, sender: string): boolean;
  has(kind: 'transport', id: string): boolean;
  /** Remembers a message; false when it was remembered already. */
  add(kind: 'signed', id: string, fingerprint: string): boolean;
  add(kind: 'unsigned', id: string, sender: string): boolean;
  add(kind: 'transport', id: string): boolean;
  readonly size: number;
  /** Its file. */
  toText(): string;
}

/** Who makes or checks a trust token, where and when. */
export interface TrustSetting {
  agent: string;
  agent_key: string;
  /** The machine's fingerprint, 128 hex digits. */
  machine: string;
  now_ms: number;
}

/** What a trust token says. `owner_secret` is a secret. */
export interface TrustFacts {
  agent: string;
  nonce: string;
  /** Unix seconds, as `expires`. */
  created: number;
  expires: number;
  owner_secret: string;
}

/** The fingerprint of a machine with these facts, in hex. */
export function machineFingerprint(facts: readonly string[]): string;

/** Makes a token with 32 random bytes: in base64, and armored. */
export function makeTrustToken(
  setting: TrustSetting,
  nonce: Uint8Array,
  machineName: string,
): TrustFacts & { token: string; armor: string };

/** Checks a token, armored or not; one that is refused throws `trust` with the reason. Whether it was used before, the caller knows. */
export function checkTrustToken(token: string, setting: TrustSetting): TrustFacts;

/** An owner's word to an agent, proven by their secret. */
export function ownerSign(secret: string, message: string): string;

/** Whether an owner's word is theirs. */
export function ownerVerify(secret: string, message: string, signature: string): boolean;

/** A message in an index. */
export interface IndexedMessage {
  file: string;
  headers: readonly (readonly [name: string, value: string])[];
}

/** What the index of a day is made of. */
export interface DayOfMail {
  agent: string;
  day: Day;
  now: Now;
  inbox?: readonly IndexedMessage[];
  sent?: readonly IndexedMessage[];
  outbox?: readonly IndexedMessage[];
  notes?: readonly { file: string; size: number }[];
  memories?: readonly { file: string; text: string }[];
  has_identity?: boolean;
  has_tasks?: boolean;
  skills?: readonly { file: string; description: string }[];
  tools?: readonly { file: string; description: string }[];
}

/** The text index of a day. */
export function dayIndex(day: DayOfMail): string;

/** What the index of all memories is made of. */
export interface MemoriesOfAgent {
  agent: string;
  now: Now;
  memories: readonly { day: Day; file: string; text: string }[];
}

/** The text index of all memories. */
export function memoryIndex(memories: MemoriesOfAgent): string;

/** The description in a script's `.meta.json`; empty when there is none. */
export function scriptDescription(meta: Uint8Array): string;
