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

/** What a sync did. */
export interface SyncReport {
  delivered: Delivery[];
  received: (Location & Verdict & { from: string; subject: string })[];
  repeated: number;
  blocked: number;
  relays: RelayReport[];
}

export interface InboxListing {
  agent: string;
  date: Day | null;
  messages: MessageRow[];
  damaged: Damaged[];
  unread: number;
  unchecked: number;
  sync: SyncReport | null;
}

export interface ReadMessage extends Location, Verdict {
  path: string;
  from: string;
  to: string;
  subject: string;
  date: string;
  headers: Header[];
  text: string;
  unsigned_text: string | null;
  reason: string | null;
  attachments: { name: string; path: string | null; size: number | null }[];
  raw: string | null;
}

export interface Sent extends Delivery {
  id: string;
  subject: string;
  path: string;
}

export interface SelfText {
  agent: string;
  kind: 'identity' | 'tasks';
  done: 'shown' | 'set' | 'appended';
  date: Day | null;
  text: string | null;
  path: string | null;
}

export interface Agent {
  address: string;
  identity: string;
  doing: string;
}

export interface PeerKey {
  fingerprint: string;
  public_key: string;
  addresses: string[];
  first_seen: string;
  last_seen: string;
  envelope2: boolean;
  trusted: boolean;
}

export interface Bound {
  agent: string;
  owner: string;
  since: string;
}

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
  address: { address: string; relay_addresses: string[] };
  doing: SelfText;
  whoami: SelfText;
  dates: {
    agent: string;
    days: { date: Day; inbox: number; sent: number; pending: number; notes: number; memories: number }[];
  };
  directory: Agent[];
  tree: { agent: string; date: Day; entries: { path: string; folder: boolean }[] };
  recall: {
    agent: string;
    query: string | null;
    index: string | null;
    memories: { date: Day; title: string; text: string; path: string }[];
    left_out: number;
    damaged: Damaged[];
  };
  remember:
    | { title: string; date: Day; path: string; appended: boolean }
    | { date: Day; memories: { title: string; preview: string }[]; damaged: Damaged[] };
  note: { name: string; done: 'shown' | 'set' | 'appended'; date: Day; text: string | null; path: string };
  notes: { date: Day; notes: { name: string; size: number; path: string }[]; damaged: Damaged[] };
  daemon: { cycles: number; failed: number; received: number; delivered: number; relays: RelayReport[] };
  'crypto-identity': { agent: string; fingerprint: string; public_key: string; key_file: string };
  doctor: { findings: { state: 'good' | 'caution' | 'fault'; what: string; mend: string | null }[] };
  export: { path: string; files: number; bytes: number; contains_secrets: boolean };
  import: { agent: string; files: number; same: number };
  scripts: {
    kind: 'skill' | 'tool';
    done: string;
    scripts: Script[];
    path: string | null;
    code: string | null;
    run: { exit_code: number | null; timed_out: boolean; stdout: string; stderr: string; truncated: boolean } | null;
  };
  filter: {
    mode: 'blacklist' | 'whitelist' | 'off';
    blacklist: string[];
    whitelist: string[];
    log_blocked: boolean;
    changed: string[];
  };
  index: { date: Day | null; text: string | null; rebuilt: number };
  keyring: { done: 'listed' | 'shown' | 'trusted' | 'forgotten'; keys: PeerKey[] };
  sign: { signed: string; fingerprint: string };
  verify: {
    verdict: VerdictWord;
    fingerprint: string | null;
    reason: string | null;
    addresses: string[];
    headers: Header[];
    text: string | null;
  };
  'trust-gen': { agent: string; token: string; armor: string; expires: string };
  'trust-verify': { valid: boolean; agent: string; nonce: string; created: number; used: boolean };
  'trust-bind': Bound;
  'trust-bind-local': Bound;
  'trust-bind-all': { owner: string; bound: string[]; kept: string[]; refused: [agent: string, why: string][] };
  'trust-status': {
    agent: string;
    status: string;
    owner: string | null;
    since: string | null;
    machine_matches: boolean | null;
    accepts_new_bindings: boolean;
  };
  'trust-revoke': { agent: string; owner: string | null };
  held: { done: string; messages: MessageRow[] };
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
  search: {
    query: string;
    matches: (Location & { from: string; to: string; subject: string; date: string; excerpt: string })[];
    left_out: number;
    damaged: Damaged[];
  };
  send: Sent;
}

/** What a command of a name gives. */
export type OutcomeOf<N extends CommandName> = CommandOutcomes[N];
