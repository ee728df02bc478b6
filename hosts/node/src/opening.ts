// Finding a config, opening it for every call anew, and making a mailbox where there is none.

import { stat } from 'node:fs/promises';
import path from 'node:path';

import type { CommandName, CommandOf, DoneStep, Op } from '../types/core.js';
import { core } from './core.js';
import { abortedOr, type Event } from './drive.js';
import { variable } from './environment.js';
import { AzallError, fromCore, inCore } from './errors.js';
import { openConfig, runCommand, type Opened } from './host.js';

/** How a config is opened and commands run over it. */
export interface Manner {
  agent?: string;
  graceMs?: number;
  onEvent?: (event: Event) => void;
}

/**
 * The config file that a path means: itself, or `config.json` in a folder; without one, as the command line finds it. What is not there
 * yet is a file if its name ends with `.json`, else a folder.
 */
export async function configFile(given: string | undefined): Promise<string> {
  const { line } = core.CommandLine.parse(['address']);
  if (line === undefined) throw new AzallError('host', 'the core does not know its own command line');
  if (given === undefined) {
    return path.resolve(line.configPath(variable('AGENTAZALL_CONFIG'), variable('AGENTAZALL_ROOT')));
  }
  const found = await stat(given).catch(() => undefined);
  const isFile = found?.isFile() ?? given.endsWith('.json');
  return path.resolve(isFile ? given : line.configPath(undefined, given));
}

/** Opens a config file, which need not be there. */
export async function open(file: string, manner: Manner, signal: AbortSignal | undefined): Promise<Opened> {
  try {
    return await openConfig(file, manner.agent, { onEvent: manner.onEvent, signal });
  } catch (thrown) {
    throw abortedOr(fromCore(thrown), signal);
  }
}

/** Makes a mailbox as `azall quickstart` does, which knows what a bare name means. */
export async function create(
  opened: Opened,
  { agent, identity }: { agent?: string; identity?: string },
  manner: Manner,
  signal: AbortSignal | undefined,
): Promise<void> {
  const words = Object.entries({ agent, identity }).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]));
  const parsed = inCore(() => core.CommandLine.parse(['quickstart', ...words]));
  const started = parsed.line === undefined ? parsed : inCore(() => parsed.line.start([], opened.config));
  if (started.ending !== undefined) throw new AzallError('usage', started.ending.text.trim(), 2);
  await runOp(() => started.op, opened, manner, signal);
}

/** Runs a command over a config that was opened. */
export function run<N extends CommandName>(
  opened: Opened,
  command: CommandOf<N>,
  manner: Manner,
  signal: AbortSignal | undefined,
): Promise<DoneStep<N>> {
  return runOp(() => new core.Op(command, opened.config), opened, manner, signal);
}

async function runOp<N extends CommandName>(
  start: () => Op<N>,
  opened: Opened,
  { onEvent, graceMs }: Manner,
  signal: AbortSignal | undefined,
): Promise<DoneStep<N>> {
  let givenUp = 0;
  const onGiveUp = () => {
    givenUp += 1;
  };
  try {
    const op = inCore(start);
    const done = await runCommand(op, opened.roots, { onEvent, signal, graceMs, onGiveUp });
    if (givenUp > 0) signal?.throwIfAborted();
    return done;
  } catch (thrown) {
    throw abortedOr(thrown, signal);
  }
}
