// The same of a command line, which not every build has.

export interface CommandLine {
  /** Gives its memory back; it is of no use afterwards. */
  free(): void;
}
