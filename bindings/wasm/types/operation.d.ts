// A running command: polled, resumed, until it is done.

/** How much an event matters: `detail` is for the verbose, `result` is a line of the result of a command that gives it bit by bit. */
export type Level = 'detail' | 'info' | 'warning' | 'result';

/** Start this effect; resume with its answer under this number. Several may be in flight, answered in any order. */
export interface EffectStep {
  step: 'effect';
  id: number;
  effect: Effect;
}

/** Show it or drop it. Its text may quote what others wrote: it is text, never HTML. */
export interface EventStep {
  step: 'event';
  level: Level;
  text: string;
}

/** Nothing to do until an answer, or until this moment (unix milliseconds) if there is one. */
export interface WaitStep {
  step: 'wait';
  until: number | null;
}

/** The config is open. */
export interface OpenedStep {
  step: 'opened';
  agent: string;
  mailbox_dir: string;
  found: boolean;
}

/** The command is done. `file` is one that the host is to write for it, readable by its owner alone. */
export interface DoneStep<N extends CommandName = CommandName> {
  step: 'done';
  outcome: OutcomeOf<N>;
  exit_code: number;
  file: { path: string; bytes: Uint8Array } | null;
}

/** What an operation wants next. A failure is thrown. */
export type Step<N extends CommandName = CommandName> =
  | EffectStep
  | EventStep
  | WaitStep
  | OpenedStep
  | DoneStep<N>;

/** A config that was opened. */
export class Config {
  private constructor();
  readonly agent: string;
  /** The mailboxes folder as the config has it: relative to the config's own folder, or absolute. */
  readonly mailboxDir: string;
  /** Whether there is a config file. If not, the first command that needs one writes it. */
  readonly found: boolean;
  /** Tells where the mailboxes folder is, as people know it, for messages. */
  setMailboxesShown(path: string): void;
}

/** A command, or the opening of a config. */
export class Op<N extends CommandName = CommandName> {
  constructor(command: CommandOf<N>, config: Config);
  /** Reads the config file of this name in the config's folder, which must come before any command. `agent` takes the place of the config's own. */
  static open(fileName: string, configShown: string, agent?: string | null): Op;
  /** Goes on as far as it can at this moment. Throws what it failed with. */
  poll(now: Now): Step<N>;
  /** Answers an effect. One that is not taken throws `resume`; the effect then still waits. */
  resume(id: number, answer: Answer): void;
  /** Asks it to stop. Go on polling: it tells when it has. */
  cancel(): void;
  /** The config, once after the step `opened`. */
  takeConfig(): Config;
}

/** The kinds of effects that an operation may ask for: a host answers each of them. */
export function effectKinds(): EffectKind[];
