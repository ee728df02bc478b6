// The command line, so that a program prints exactly what the native one prints. In the build for Node alone.

/** Something to print. */
export interface Line {
  text: string;
  /** On standard error, else on standard output. */
  to_stderr: boolean;
}

/** What is to be printed at the end, and the exit code. */
export interface Ending extends Line {
  code: number;
}

/** Something to read before the command starts, of at most `limit` bytes. */
export interface Source {
  /** `stdin-if-piped`: standard input where it is no terminal, else nothing. */
  from: 'file' | 'stdin' | 'stdin-if-piped';
  /** The file, as the command line names it. */
  path: string | null;
  limit: number;
}

/** What was read: the file's name as the command line has it, `-` for standard input. */
export interface Input {
  name: string;
  bytes: Uint8Array;
}

/** A command line that was understood. */
export class CommandLine {
  private constructor();
  /** Understands the arguments, without the program's name. `ending`: help, the version, or what is wrong with them. */
  static parse(argv: readonly string[]): { line: CommandLine; ending?: undefined } | { line?: undefined; ending: Ending };
  /** Where the config file is: as `--config` or `$AGENTAZALL_CONFIG` and `$AGENTAZALL_ROOT` say. */
  configPath(configVariable?: string | null, rootVariable?: string | null): string;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly noColor: boolean;
  /** Whether it is for a program that serves or confines, which the native one alone is. */
  readonly isForNative: boolean;
  /** What is to be read first, in order. */
  sources(): Source[];
  /** The command, once, with what was read for each source; null where standard input was a terminal. */
  start(
    inputs: readonly (Input | null)[],
    config: Config,
  ): { op: Op; ending?: undefined } | { op?: undefined; ending: Ending };
}

export interface Op<N extends CommandName = CommandName> {
  /** What the command prints and its exit code, after the step `done`. */
  ending(json: boolean, color: boolean): Ending;
}

/** What an event prints; null where nothing. */
export function eventLine(level: Level, text: string, json: boolean, verbose: boolean, color: boolean): Line | null;

/** What a failed command, or a host that could not do its part, prints. */
export function failedEnding(message: string, exitCode: number, json: boolean, color: boolean): Ending;
