// What commands give: the documents of the command line's `--json`, with the same names.

import type { Origin, Peer } from './core.js';

/** The agent's addresses. */
export interface Addresses {
  address: string;
  relay_addresses: string[];
}

/** What is known of a message's origin. */
export interface Verdict {
  /** What the signature proves; absent when nobody has verified it yet. */
  verdict?: Origin;
  /** What the keyring says, where there is a proven key. */
  peer?: Peer | null;
  fingerprint?: string | null;
  /** None of my addresses is among the signed recipients. */
  misaddressed?: boolean;
}

/** Where a message lies. */
export interface Location {
  day: string;
  folder: string;
  id: string;
}

/** A message in a listing. */
export interface MessageRow extends Location, Verdict {
  from: string;
  to: string;
  subject: string;
  date: string;
  unread: boolean;
  attachments: string[];
}

/** A file that is not what it must be. */
export interface Damaged {
  path: string;
  reason: string;
}

/** What became of a recipient of a message. */
export interface RecipientState {
  address: string;
  state: string;
  by?: string[];
  reason?: string;
  next_try?: string;
}

/** What became of a message that waited. */
export interface Delivery {
  message: string;
  folder: string;
  recipients: RecipientState[];
}

/** What `send` and `reply` did. */
export interface Sent extends Delivery {
  id: string;
  subject: string;
  path: string;
}

/** A message that came in. */
export interface Received extends Location, Verdict {
  from: string;
  subject: string;
}

/** What a relay said. */
export interface RelayReport {
  server: string;
  messages: number;
  problem: string | null;
}

/** What one delivery cycle did. */
export interface SyncReport {
  delivered: Delivery[];
  received: Received[];
  repeated: number;
  blocked: number;
  relays: RelayReport[];
}

/** The inbox. */
export interface InboxListing {
  agent: string;
  date: string | null;
  messages: MessageRow[];
  damaged: Damaged[];
  unread: number;
  unchecked: number;
  sync: SyncReport | null;
}

/** An attachment of a message that was read. */
export interface Attached {
  name: string;
  /** Absent when the file is not there. */
  path: string | null;
  size: number | null;
}

/** A message that was read. */
export interface Message extends Location, Verdict {
  path: string;
  from: string;
  to: string;
  subject: string;
  date: string;
  headers: [string, string][];
  /** What was signed, where it is signed. */
  text: string;
  /** Text around the signed part, which nobody vouches for. */
  unsigned_text: string | null;
  reason: string | null;
  attachments: Attached[];
  raw: string | null;
}

/** What a search found. */
export interface Found {
  query: string;
  matches: (Location & { from: string; to: string; subject: string; date: string; excerpt: string })[];
  left_out: number;
  damaged: Damaged[];
}

/** A memory that was stored. */
export interface Remembered {
  title: string;
  date: string;
  path: string;
  appended: boolean;
}

/** A memory. */
export interface Recollection {
  date: string;
  title: string;
  text: string;
  path: string;
}

/** Memories: the index of all, or those that match. */
export interface Recalled {
  agent: string;
  query: string | null;
  index: string | null;
  memories: Recollection[];
  left_out: number;
  damaged: Damaged[];
}

/** Who the agent is, or what it works on. */
export interface SelfText {
  agent: string;
  kind: 'identity' | 'tasks';
  done: 'shown' | 'set' | 'appended';
  date: string | null;
  text: string | null;
  path: string | null;
}

/** A note. */
export interface Note {
  name: string;
  done: 'shown' | 'set' | 'appended';
  date: string;
  text: string | null;
  path: string;
}

/** What cycles of the daemon did. */
export interface Synced {
  cycles: number;
  failed: number;
  received: number;
  delivered: number;
  relays: RelayReport[];
}

/** The address filter. */
export interface FilterState {
  mode: 'blacklist' | 'whitelist' | 'off';
  blacklist: string[];
  whitelist: string[];
  log_blocked: boolean;
  changed: string[];
}

/** A key of a peer. */
export interface PeerKey {
  fingerprint: string;
  public_key: string;
  addresses: string[];
  first_seen: string;
  last_seen: string;
  envelope2: boolean;
  trusted: boolean;
}

/** Keys of peers. */
export interface KeyringListing {
  done: 'listed' | 'shown' | 'trusted' | 'forgotten';
  keys: PeerKey[];
}

/** A trust token. */
export interface TrustToken {
  agent: string;
  token: string;
  armor: string;
  expires: string;
}

/** A trust token that is good. */
export interface TrustVerified {
  valid: true;
  agent: string;
  nonce: string;
  created: number;
  used: boolean;
}

/** An agent's binding to an owner. */
export interface Bound {
  agent: string;
  owner: string;
  since: string;
}

/** Whether an agent is bound. */
export interface TrustState {
  agent: string;
  status: 'bound' | 'unbound';
  owner: string | null;
  since: string | null;
  machine_matches: boolean | null;
  accepts_new_bindings: boolean;
}

/** A binding that was undone. */
export interface Revoked {
  agent: string;
  owner: string | null;
}

/** What was exported. */
export interface Exported {
  path: string;
  files: number;
  bytes: number;
  contains_secrets: true;
}
