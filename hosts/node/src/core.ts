// The core: the native addon where there is one for this platform, else the WebAssembly build; both give the same results.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

import type { Event, Moment, Operation } from './drive.js';
import { AzallError } from './errors.js';

/** A config that was opened. */
export interface Config {
  readonly agent: string;
  readonly mailboxDir: string;
  readonly found: boolean;
  setMailboxesShown(path: string): void;
}

/** What is to be printed, and the exit code. */
export interface Ending {
  text: string;
  to_stderr: boolean;
  code: number;
}

/** A command: its name and its arguments. */
export interface Command {
  command: string;
  arguments?: Readonly<Record<string, unknown>> | string;
}

/** A running command, or the opening of a config. */
export interface Op extends Operation {
  takeConfig(): Config;
  ending(json: boolean, color: boolean): Ending;
}

/** What a command line has to be given first. */
export interface Source {
  from: 'file' | 'stdin' | 'stdin-if-piped';
  path: string | null;
  limit: number;
}

/** What was read of a source: nothing where standard input was a terminal. */
export type Input = { name: string; bytes: Uint8Array } | null;

/** A command line that was understood. */
export interface CommandLine {
  configPath(configVariable?: string, rootVariable?: string): string;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly noColor: boolean;
  readonly isForNative: boolean;
  sources(): Source[];
  start(inputs: Input[], config: Config): { op: Op } | { ending: Ending };
}

/** A public key: 32 bytes, or their base64. */
export type PublicKey = Uint8Array | string;

/** Keys that a signature may name without bringing them: fingerprints to public keys. */
export type Keys = Readonly<Record<string, PublicKey>>;

/** A key pair. The private key stays inside, but for the text of its file. */
export interface Identity {
  readonly fingerprint: string;
  readonly publicKey: Uint8Array;
  toJson(created: string): string;
  sign(message: Uint8Array): Uint8Array;
}

/** One key of a keyring. */
export interface KeyringEntry {
  fingerprint: string;
  public_key: Uint8Array;
  addresses: string[];
  first_seen: string;
  last_seen: string;
  envelope2: boolean;
  trusted: boolean;
}

/** What a keyring says of a key that an address uses. */
export type Peer = 'known' | 'first-seen' | 'key-changed' | 'downgraded';

/** The keys that addresses were seen with. */
export interface Keyring {
  toJson(): string;
  entries(): KeyringEntry[];
  lookup(fingerprint: string): Uint8Array | null;
  observe(from: string, publicKey: PublicKey, usedEnvelope2: boolean, now: Moment): Peer;
  trust(fingerprint: string): boolean;
  forget(fingerprint: string): boolean;
}

/** Ids of messages that were received. */
export interface SeenIds {
  has(kind: 'signed' | 'unsigned' | 'transport', id: string, of?: string): boolean;
  add(kind: 'signed' | 'unsigned' | 'transport', id: string, of?: string): boolean;
  readonly size: number;
  toText(): string;
}

/** What a signature proves. */
export type Origin = 'valid' | 'body-only' | 'invalid' | 'unknown-key' | 'unsigned';

/** What was found of a text with an envelope in it. */
export interface Verified {
  verdict: Origin;
  envelope: 'none' | 'version-1' | 'version-2' | 'documented' | 'legacy';
  fingerprint: string | null;
  public_key: Uint8Array | null;
  reason: string | null;
  /** The signed headers, where headers are signed. */
  headers: Record<string, string> | null;
  text: string;
  before: string;
  after: string;
}

/** A message file, taken apart. */
export interface ParsedMessage {
  headers: [string, string][];
  body: string;
}

/** What a message file is made of. */
export interface NewMessage {
  from: string;
  to: string;
  cc?: string | null;
  subject?: string;
  date: string;
  message_id: string;
  in_reply_to?: string | null;
  attachments?: readonly string[];
  body?: string;
}

/** The headers that are signed with a body. */
export interface SignedHeaders {
  from: string;
  to: readonly string[];
  cc?: readonly string[];
  subject?: string;
  date: string;
  message_id: string;
  in_reply_to?: string | null;
  attachments?: readonly { name: string; size: number; sha256: string }[];
}

/** The headers of the documented form of a signature. */
export interface DocumentedHeaders {
  from: string;
  to: readonly string[];
  date: string;
  subject?: string;
}

/** An address filter, as in the config. */
export interface FilterRules {
  mode?: 'blacklist' | 'whitelist' | 'off';
  blacklist?: readonly string[];
  whitelist?: readonly string[];
  log_blocked?: boolean;
}

/** What a trust token is for. */
export interface TokenSetting {
  agent: string;
  agent_key: string;
  /** The machine's fingerprint. */
  machine: string;
  now_ms: number;
}

/** What a trust token says. */
export interface TokenFacts {
  agent: string;
  nonce: string;
  created: number;
  expires: number;
  owner_secret: string;
}

/** A message in an index. */
export interface IndexedMessage {
  file: string;
  headers: readonly (readonly [string, string])[];
}

/** What the index of a day is made of. */
export interface DayContent {
  agent: string;
  day: string;
  now: Moment;
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

/** What the index of all memories is made of. */
export interface MemoryContent {
  agent: string;
  now: Moment;
  memories: readonly { day: string; file: string; text: string }[];
}

/** What the addon and the WebAssembly build export. */
export interface Core {
  Op: {
    new (command: Command, config: Config): Op;
    open(fileName: string, configShown: string, agent?: string): Op;
  };
  CommandLine: { parse(argv: readonly string[]): { line: CommandLine } | { ending: Ending } };
  Identity: { fromSeed(seed: Uint8Array): Identity; parse(file: Uint8Array): Identity };
  Keyring: { new (): Keyring; parse(file: Uint8Array): Keyring };
  SeenIds: { new (capacity?: number): SeenIds; parse(file: Uint8Array, capacity?: number): SeenIds };
  eventLine(
    level: Event['level'],
    text: string,
    json: boolean,
    verbose: boolean,
    color: boolean,
  ): { text: string; to_stderr: boolean } | null;
  failedEnding(message: string, exitCode: number, json: boolean, color: boolean): Ending;
  version(): string;
  effectKinds(): string[];
  parseMessage(file: Uint8Array): ParsedMessage;
  formatMessage(message: NewMessage): string;
  newMessageId(from: string, to: string, subject: string, isoNow: string, randomHex: string): string;
  sanitizeName(name: string): string;
  verify(file: Uint8Array, keys?: Keys): Verified;
  verifyBody(headers: readonly (readonly [string, string])[], body: string, keys?: Keys): Verified;
  signBody(identity: Identity, body: string): string;
  signMessage(identity: Identity, headers: SignedHeaders, body: string): string;
  signDocumented(identity: Identity, headers: DocumentedHeaders, body: string): string;
  filterAccepts(filter: FilterRules, sender: string): boolean;
  fingerprintOf(publicKey: PublicKey): string;
  machineFingerprint(facts: readonly string[]): string;
  makeTrustToken(
    setting: TokenSetting,
    nonce: Uint8Array,
    machineName: string,
  ): TokenFacts & { token: string; armor: string };
  checkTrustToken(token: string, setting: TokenSetting): TokenFacts;
  ownerSign(secret: string, message: string): string;
  ownerVerify(secret: string, message: string, signature: string): boolean;
  dayIndex(day: DayContent): string;
  memoryIndex(memories: MemoryContent): string;
  scriptDescription(meta: Uint8Array): string;
}

const require = createRequire(import.meta.url);

/** Where the addon of this platform would be. */
function addonPath(): string {
  return fileURLToPath(new URL(`../native/azall.${process.platform}-${process.arch}.node`, import.meta.url));
}

/** Where the WebAssembly build would be. */
function wasmPath(): string {
  return fileURLToPath(new URL('../wasm/azall.js', import.meta.url));
}

/** Which of the two is loaded. */
export let coreKind: 'native' | 'wasm';

async function load(): Promise<Core> {
  const wanted = process.env['AZALL_CORE'] ?? '';
  if (!['', 'native', 'wasm'].includes(wanted)) {
    throw new AzallError('usage', `AZALL_CORE is native or wasm, not ${JSON.stringify(wanted)}`, 2);
  }
  const problems: string[] = [];
  for (const [kind, path] of [['native', addonPath()], ['wasm', wasmPath()]] as const) {
    if (wanted !== '' && wanted !== kind) continue;
    if (!existsSync(path)) {
      problems.push(`there is no ${path}`);
      continue;
    }
    try {
      const loaded = kind === 'native' ? (require(path) as Core) : ((await import(pathToFileURL(path).href)) as Core);
      coreKind = kind;
      return loaded;
    } catch (error) {
      // An addon for another C library or an older system: the WebAssembly build does the same.
      problems.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new AzallError('no-core', `azall's core cannot be loaded on ${process.platform}-${process.arch}: ${problems.join('; ')}`);
}

/** The core of this process. */
export const core: Core = await load();
