// Every command of a mailbox and its arguments, by the names of the command line.

/** A change of a text: all of it, or something more at its end. */
export type Edit = { set: string } | { append: string };

/** A file to send. */
export interface Attachment {
  name: string;
  bytes: Uint8Array;
}

/** No arguments. */
export type Nothing = Record<string, never>;

/** Each command's arguments. */
export interface CommandArguments {
  guide: 'prompt' | 'prompt-markdown' | 'onboard';
  quickstart: { agent?: string | null; identity?: string | null };
  setup: {
    agent: string;
    transport?: 'email' | 'ftp' | 'both' | 'agenttalk' | null;
    share_memories?: boolean;
  };
  startup: Nothing;
  address: { quiet?: boolean };
  doing: { edit?: Edit | null };
  whoami: { set?: string | null };
  dates: Nothing;
  directory: Nothing;
  tree: { date?: Day | null };
  recall: { query?: string | null; agent?: string | null; limit?: number | null };
  remember: { store: { text: string; title?: string | null } } | 'list';
  note: { name: string; edit?: Edit | null };
  notes: { date?: Day | null };
  daemon: { once?: boolean; interval?: number | null };
  'crypto-identity': Nothing;
  doctor: Nothing;
  export: { output?: string | null };
  import: { archive: Uint8Array };
  scripts: {
    kind: 'skill' | 'tool';
    action:
      | { list: { shared_only: boolean } }
      | { add: { name: string; code: string | Uint8Array; description: string; version: string; shared: boolean } }
      | { read: { name: string } }
      | { promote: { name: string } }
      | { delete: { name: string } }
      | { run: { name: string; args: readonly string[] } };
  };
  filter: {
    changes?: readonly (
      | { mode: 'blacklist' | 'whitelist' | 'off' }
      | { add: readonly [list: 'blacklist' | 'whitelist', pattern: string] }
      | { remove: readonly [list: 'blacklist' | 'whitelist', pattern: string] }
    )[];
  };
  index: { date?: Day | null; rebuild?: boolean };
  keyring: 'list' | { show: string } | { trust: string } | { forget: string };
  sign: { text: string; format: 'envelope' | 'documented' };
  verify: { text: string };
  'trust-gen': { agent?: string | null; force?: boolean; quiet?: boolean };
  'trust-verify': { token: string };
  'trust-bind': { owner: string; token: string };
  'trust-bind-local': { owner: string; force?: boolean };
  'trust-bind-all': { owner: string; force?: boolean };
  'trust-status': Nothing;
  'trust-revoke': { yes?: boolean };
  held: 'list' | { release: string } | { drop: string };
  inbox: { date?: Day | null; all?: boolean; offline?: boolean; unread?: boolean; watch?: boolean };
  /** The beginning of an id is enough. */
  read: { id: string; date?: Day | null; raw?: boolean };
  register: { name: string; server: string; yes?: boolean };
  relay: 'list' | { add: { server: string; token?: string | null; address?: string | null } } | { remove: string };
  status: Nothing;
  reply: { id: string; body: string; attachments?: readonly Attachment[]; all?: boolean };
  search: { query: string; from?: string | null; to?: string | null; since?: Day | null; limit?: number | null };
  send: {
    to: readonly string[];
    cc?: readonly string[];
    subject: string;
    body: string;
    attachments?: readonly Attachment[];
  };
}

export type CommandName = keyof CommandArguments;

/** A command of one name. Arguments that are all optional may be left out. */
export type CommandOf<N extends CommandName> = {
  [Name in N]: {} extends CommandArguments[Name]
    ? { command: Name; arguments?: CommandArguments[Name] }
    : { command: Name; arguments: CommandArguments[Name] };
}[N];

/** Any command. */
export type Command = CommandOf<CommandName>;
