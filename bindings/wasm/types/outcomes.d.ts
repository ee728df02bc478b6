// What commands give: the documents that the command line prints with `--json`.

/** The folders of a day that hold messages. */
export type Folder = 'inbox' | 'outbox' | 'sent' | 'held' | 'failed';

/** Where a message lies. */
export interface Location {
  day: Day;
  folder: Folder;
  id: string;
}

/** What is known of a message's origin. */
export interface Verdict {
  verdict: VerdictWord;
  /** What the keyring says, where a key is proven. */
  peer: Peer | null;
  fingerprint: string | null;
  /** Whether somebody passes on what was signed for others. */
  misaddressed: boolean;
}

/** A message of a listing. The verdict's fields are there once it was verified. */
export interface MessageRow extends Location, Partial<Verdict> {
  from: string;
  to: string;
  subject: string;
  date: string;
  unread: boolean;
  attachments: string[];
}

/** A file that is not what it should be. */
export interface Damaged {
  path: string;
  reason: string;
}

/** What became of a recipient. */
export type RecipientReport = { address: string } & (
  | { state: 'accepted'; by: string[] }
  | { state: 'queued'; reason: string; next_try: string | null }
  | { state: 'failed'; reason: string }
);

/** What became of a message that was sent. */
export interface Delivery {
  message: string;
  folder: Folder;
  recipients: RecipientReport[];
}

/** What a relay said. */
export interface RelayReport {
  server: string;
  messages: number;
  problem: string | null;
}

/** A message that came in. */
export interface Received extends Location, Verdict {
  from: string;
  subject: string;
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
  date: Day | null;
  messages: MessageRow[];
  damaged: Damaged[];
  unread: number;
  unchecked: number;
  sync: SyncReport | null;
}

/** An attachment of a message that was read. */
export interface Attached {
  name: string;
  /** Nothing when the file is not there. */
  path: string | null;
  size: number | null;
}

/** A message that was read. */
export interface ReadMessage extends Location, Verdict {
  path: string;
  from: string;
  to: string;
  subject: string;
  date: string;
  headers: Header[];
  /** What was signed, where it is signed. */
  text: string;
  /** Text around the signed part, which nobody vouches for. */
  unsigned_text: string | null;
  /** Why a signature is not valid. */
  reason: string | null;
  attachments: Attached[];
  raw: string | null;
}

/** What `send` and `reply` did. */
export interface Sent extends Delivery {
  id: string;
  subject: string;
  path: string;
}

/** A match of a search. */
export interface Match extends Location {
  from: string;
  to: string;
  subject: string;
  date: string;
  excerpt: string;
}

/** What a search found. */
export interface Found {
  query: string;
  matches: Match[];
  left_out: number;
  damaged: Damaged[];
}

/** The agent's addresses. */
export interface Addresses {
  address: string;
  relay_addresses: string[];
}

/** What was done to a text. */
export type Done = 'shown' | 'set' | 'appended';

/** Who the agent is, or what it works on. */
export interface SelfText {
  agent: string;
  kind: 'identity' | 'tasks';
  done: Done;
  date: Day | null;
  text: string | null;
  path: string | null;
}

/** A memory that was stored. */
export interface Remembered {
  title: string;
  date: Day;
  path: string;
  appended: boolean;
}

/** The memories of a day. */
export interface MemoryList {
  date: Day;
  memories: { title: string; preview: string }[];
  damaged: Damaged[];
}

/** A memory. */
export interface Recollection {
  date: Day;
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

/** A note. */
export interface Note {
  name: string;
  done: Done;
  date: Day;
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

/** An agent of the directory. */
export interface Agent {
  address: string;
  identity: string;
  doing: string;
}

/** What was exported. */
export interface Exported {
  path: string;
  files: number;
  bytes: number;
  contains_secrets: true;
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

/** A trust token that is good; one that is not is an error. */
export interface TrustVerified {
  valid: true;
  agent: string;
  nonce: string;
  /** Unix seconds. */
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

/** A skill or a tool. */
export interface Script {
  name: string;
  shared: boolean;
  author: string;
  description: string;
  version: string;
  created: string;
  promoted_by?: string;
  promoted_at?: string;
}

/** What each command gives. */
export interface CommandOutcomes {
  guide: { agent: string; text: string };
  quickstart: { agent: string; fingerprint: string; identity: string; config: string; mailbox: string; made: string[] };
  setup: { agent: string; config: string; mailbox: string; transport: string; shares_memories: boolean };
  startup: {
    agent: string;
    date: Day;
    identity: string | null;
    doing: string | null;
    memories: string;
    inbox: InboxListing;
    unread_earlier: number;
  };
  address: Addresses;
  doing: SelfText;
  whoami: SelfText;
  dates: {
    agent: string;
    days: { date: Day; inbox: number; sent: number; pending: number; notes: number; memories: number }[];
  };
  directory: Agent[];
  tree: { agent: string; date: Day; entries: { path: string; folder: boolean }[] };
  recall: Recalled;
  /** The first for `store`, the second for `list`. */
  remember: Remembered | MemoryList;
  note: Note;
  notes: { date: Day; notes: { name: string; size: number; path: string }[]; damaged: Damaged[] };
  daemon: Synced;
  'crypto-identity': { agent: string; fingerprint: string; public_key: string; key_file: string };
  doctor: { findings: { state: 'good' | 'caution' | 'fault'; what: string; mend: string | null }[] };
  export: Exported;
  import: { agent: string; files: number; same: number };
  scripts: {
    kind: 'skill' | 'tool';
    done: 'listed' | 'added' | 'shown' | 'promoted' | 'deleted' | 'ran';
    scripts: Script[];
    path: string | null;
    code: string | null;
    run: { exit_code: number | null; timed_out: boolean; stdout: string; stderr: string; truncated: boolean } | null;
  };
  filter: FilterState;
  index: { date: Day | null; text: string | null; rebuilt: number };
  keyring: KeyringListing;
  sign: { signed: string; fingerprint: string };
  verify: {
    verdict: VerdictWord;
    fingerprint: string | null;
    reason: string | null;
    addresses: string[];
    headers: Header[];
    text: string | null;
  };
  'trust-gen': TrustToken;
  'trust-verify': TrustVerified;
  'trust-bind': Bound;
  'trust-bind-local': Bound;
  'trust-bind-all': { owner: string; bound: string[]; kept: string[]; refused: [agent: string, why: string][] };
  'trust-status': TrustState;
  'trust-revoke': Revoked;
  held: { done: 'listed' | 'released' | 'dropped'; messages: MessageRow[] };
  inbox: InboxListing;
  read: ReadMessage;
  register: {
    address: string;
    certified_address: string | null;
    server: string;
    fingerprint: string;
    config: string;
  };
  relay: { done: string | null; relays: { server: string; address: string | null; has_token: boolean }[] };
  status: {
    version: string;
    agent: string;
    mailbox: string;
    config: string;
    days: number;
    inbox_today: number;
    sent_today: number;
    waiting: number;
    failed: number;
    held: number;
    transports: { name: string; reachable: boolean; detail: string }[];
  };
  reply: Sent;
  search: Found;
  send: Sent;
}

/** What a command of a name gives. */
export type OutcomeOf<N extends CommandName> = CommandOutcomes[N];
