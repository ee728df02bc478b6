// Memory outside of JavaScript, which objects of a WebAssembly module hold. The native addon for Node has nothing of this.

export interface Config {
  /** Another one of the same config. */
  clone(): Config;
  /** Gives its memory back; it is of no use afterwards. */
  free(): void;
}

export interface Op<N extends CommandName = CommandName> {
  /** Gives its memory back; it is of no use afterwards. */
  free(): void;
}

export interface Identity {
  /** Another one of the same key pair. */
  clone(): Identity;
  /** Gives its memory back; it is of no use afterwards. */
  free(): void;
}

export interface Keyring {
  /** Gives its memory back; it is of no use afterwards. */
  free(): void;
}

export interface SeenIds {
  /** Gives its memory back; it is of no use afterwards. */
  free(): void;
}
