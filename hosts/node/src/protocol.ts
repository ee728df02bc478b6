// The protocol's functions: messages, signatures, the filter, trust tokens, indexes. None of them asks for time, files or randomness.

import { randomBytes } from 'node:crypto';

import type {
  DayOfMail,
  DocumentedHeaders,
  EffectKind,
  Filter,
  Identity as CoreIdentity,
  Keyring as CoreKeyring,
  KnownKeys,
  MemoriesOfAgent,
  Message,
  MessageHeaders,
  NewMessage,
  PublicKey,
  SeenIds as CoreSeenIds,
  TrustFacts,
  TrustSetting,
  Verified,
} from '../types/core.js';
import { core, type Core } from './core.js';
import { inCore } from './errors.js';

export type {
  DayOfMail as DayContent,
  DocumentedHeaders,
  Filter as FilterRules,
  IndexedMessage,
  KeyringEntry,
  KnownKeys as Keys,
  MemoriesOfAgent as MemoryContent,
  Message as ParsedMessage,
  MessageHeaders as SignedHeaders,
  NewMessage,
  Peer,
  PublicKey,
  TrustFacts as TokenFacts,
  TrustSetting as TokenSetting,
  VerdictWord as Origin,
  Verified,
} from '../types/core.js';
export { AzallError } from './errors.js';

/** A key pair. The private key stays inside, but for the text of its file. */
export type Identity = CoreIdentity;
/** The keys that addresses were seen with. */
export type Keyring = CoreKeyring;
/** Ids of messages that were received. */
export type SeenIds = CoreSeenIds;

/** Makes identities. */
export const Identity = {
  /** A new key pair. */
  generate: (): Identity => inCore(() => core.Identity.fromSeed(new Uint8Array(randomBytes(32)))),
  /** From its private key: 32 bytes. */
  fromSeed: (seed: Uint8Array): Identity => inCore(() => core.Identity.fromSeed(seed)),
  /** From its file. */
  parse: (file: Uint8Array): Identity => inCore(() => core.Identity.parse(file)),
};

/** Makes keyrings. */
export const Keyring = {
  /** An empty one. */
  empty: (): Keyring => inCore(() => new core.Keyring()),
  /** From its file. */
  parse: (file: Uint8Array): Keyring => inCore(() => core.Keyring.parse(file)),
};

/** Makes lists of ids that were seen; beyond their capacity the oldest are forgotten. */
export const SeenIds = {
  /** An empty one. */
  empty: (capacity?: number): SeenIds => inCore(() => new core.SeenIds(capacity)),
  /** From its file. */
  parse: (file: Uint8Array, capacity?: number): SeenIds => inCore(() => core.SeenIds.parse(file, capacity)),
};

/** Takes a message file apart. */
export const parseMessage = (file: Uint8Array): Message => inCore(() => core.parseMessage(file));

/** Writes a message file. */
export const formatMessage = (message: NewMessage): string => inCore(() => core.formatMessage(message));

/** The id of a message that is new: of its headers, the moment, and 16 random hex digits. */
export const newMessageId: Core['newMessageId'] = (...of) => inCore(() => core.newMessageId(...of));

/** A name as a file name. */
export const sanitizeName = (name: string): string => inCore(() => core.sanitizeName(name));

/** Verifies a message file: what its signature proves of its headers and its body. */
export const verify = (file: Uint8Array, keys?: KnownKeys): Verified => inCore(() => core.verify(file, keys));

/** Verifies a body, or any text with an envelope in it, with the headers beside it. */
export const verifyBody: Core['verifyBody'] = (headers, body, keys) => inCore(() => core.verifyBody(headers, body, keys));

/** Signs a body alone, as every existing client reads it (envelope 1). */
export const signBody = (identity: Identity, body: string): string => inCore(() => core.signBody(identity, body));

/** Signs a body with its headers and attachments (envelope 2). */
export const signMessage = (identity: Identity, headers: MessageHeaders, body: string): string =>
  inCore(() => core.signMessage(identity, headers, body));

/** Signs a body with four headers in the documented form. */
export const signDocumented = (identity: Identity, headers: DocumentedHeaders, body: string): string =>
  inCore(() => core.signDocumented(identity, headers, body));

/** Whether a filter lets a sender through. */
export const filterAccepts = (filter: Filter, sender: string): boolean =>
  inCore(() => core.filterAccepts(filter, sender));

/** The fingerprint of a public key. */
export const fingerprintOf = (publicKey: PublicKey): string => inCore(() => core.fingerprintOf(publicKey));

/** The fingerprint of a machine with these facts. */
export const machineFingerprint = (facts: readonly string[]): string => inCore(() => core.machineFingerprint(facts));

/** Makes a trust token with 32 random bytes. */
export const makeTrustToken: Core['makeTrustToken'] = (...of) => inCore(() => core.makeTrustToken(...of));

/** Checks a trust token, armored or not. Whether it was used before, its caller knows. */
export const checkTrustToken = (token: string, setting: TrustSetting): TrustFacts =>
  inCore(() => core.checkTrustToken(token, setting));

/** An owner's word to an agent, proven by their secret. */
export const ownerSign = (secret: string, message: string): string => inCore(() => core.ownerSign(secret, message));

/** Whether an owner's word is theirs. */
export const ownerVerify: Core['ownerVerify'] = (...of) => inCore(() => core.ownerVerify(...of));

/** The index of a day. */
export const dayIndex = (day: DayOfMail): string => inCore(() => core.dayIndex(day));

/** The index of all memories. */
export const memoryIndex = (memories: MemoriesOfAgent): string => inCore(() => core.memoryIndex(memories));

/** The description in a script's `.meta.json`; empty when there is none. */
export const scriptDescription = (meta: Uint8Array): string => inCore(() => core.scriptDescription(meta));

/** The version of azall. */
export const version = (): string => inCore(() => core.version());

/** The kinds of effects that an operation may ask for. */
export const effectKinds = (): EffectKind[] => inCore(() => core.effectKinds());
