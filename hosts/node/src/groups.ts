// The commands that a mailbox has in groups: the address filter, the keyring, the binding to an owner.

import type {
  Bound,
  CommandArguments,
  CommandName,
  CommandOf,
  FilterState,
  OutcomeOf,
  PeerKey,
  TrustState,
  TrustToken,
  TrustVerified,
} from '../types/core.js';
import { AzallError } from './errors.js';
import type { CallOptions, Mailbox } from './mailbox.js';

/** A group of commands. */
class Commands {
  constructor(private readonly mailbox: Mailbox) {}

  protected async outcome<N extends CommandName>(command: CommandOf<N>, options?: CallOptions): Promise<OutcomeOf<N>> {
    return (await this.mailbox.run(command, options)).outcome;
  }
}

/** Changes of the address filter. */
type FilterChanges = NonNullable<CommandArguments['filter']['changes']>;

/** The address filter. */
export class FilterCommands extends Commands {
  private change(changes: FilterChanges, options?: CallOptions): Promise<FilterState> {
    return this.outcome({ command: 'filter', arguments: { changes } }, options);
  }

  /** As it is. */
  state(options?: CallOptions): Promise<FilterState> {
    return this.change([], options);
  }

  /** How the lists are used. */
  mode(mode: FilterState['mode'], options?: CallOptions): Promise<FilterState> {
    return this.change([{ mode }], options);
  }

  /** A pattern onto the blacklist. */
  block(pattern: string, options?: CallOptions): Promise<FilterState> {
    return this.change([{ add: ['blacklist', pattern] }], options);
  }

  /** A pattern off the blacklist. */
  unblock(pattern: string, options?: CallOptions): Promise<FilterState> {
    return this.change([{ remove: ['blacklist', pattern] }], options);
  }

  /** A pattern onto the whitelist. */
  allow(pattern: string, options?: CallOptions): Promise<FilterState> {
    return this.change([{ add: ['whitelist', pattern] }], options);
  }

  /** A pattern off the whitelist. */
  disallow(pattern: string, options?: CallOptions): Promise<FilterState> {
    return this.change([{ remove: ['whitelist', pattern] }], options);
  }
}

/** Known peers and their keys. */
export class KeyringCommands extends Commands {
  private async keys(keyring: CommandArguments['keyring'], options?: CallOptions): Promise<PeerKey[]> {
    return (await this.outcome({ command: 'keyring', arguments: keyring }, options)).keys;
  }

  /** All keys. */
  list(options?: CallOptions): Promise<PeerKey[]> {
    return this.keys('list', options);
  }

  /** One key. */
  async show(fingerprint: string, options?: CallOptions): Promise<PeerKey> {
    const [key] = await this.keys({ show: fingerprint }, options);
    if (key === undefined) throw new AzallError('not-found', `there is no key ${fingerprint} in the keyring`);
    return key;
  }

  /** Accepts a key for the addresses it was seen with: settles a changed key. */
  async trust(fingerprint: string, options?: CallOptions): Promise<void> {
    await this.keys({ trust: fingerprint }, options);
  }

  /** Forgets a key. */
  async forget(fingerprint: string, options?: CallOptions): Promise<void> {
    await this.keys({ forget: fingerprint }, options);
  }
}

/** The binding to an owner. */
export class TrustCommands extends Commands {
  /** Whether the agent is bound. */
  status(options?: CallOptions): Promise<TrustState> {
    return this.outcome({ command: 'trust-status' }, options);
  }

  /** Makes a token. */
  makeToken({ signal, ...args }: CallOptions & { agent?: string; force?: boolean } = {}): Promise<TrustToken> {
    return this.outcome({ command: 'trust-gen', arguments: args }, { signal });
  }

  /** Checks a token. */
  verify(token: string, options?: CallOptions): Promise<TrustVerified> {
    return this.outcome({ command: 'trust-verify', arguments: { token } }, options);
  }

  /** Binds the agent to an owner by a token. */
  bind(owner: string, token: string, options?: CallOptions): Promise<Bound> {
    return this.outcome({ command: 'trust-bind', arguments: { owner, token } }, options);
  }

  /** Binds the agent to an owner on this machine. */
  bindLocally(owner: string, { signal, force = false }: CallOptions & { force?: boolean } = {}): Promise<Bound> {
    return this.outcome({ command: 'trust-bind-local', arguments: { owner, force } }, { signal });
  }

  /** Frees the agent, and gives the owner whom it was bound to. */
  async revoke(options?: CallOptions): Promise<string | null> {
    return (await this.outcome({ command: 'trust-revoke', arguments: { yes: true } }, options)).owner;
  }
}
