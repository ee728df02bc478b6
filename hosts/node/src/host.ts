// This machine as a host: every effect's handler, and the opening of a config.

import path from 'node:path';

import type { CommandName, Config, DoneStep, Op, OpenedStep } from '../types/core.js';
import { core } from './core.js';
import { drive, type DriveOptions, type Handlers } from './drive.js';
import { AzallError, inCore } from './errors.js';
import { fileHandlers } from './files.js';
import { httpHandler } from './http.js';
import { facts, scriptHandler } from './machine.js';
import { Roots } from './roots.js';

/** The handler of every effect, over the files below these roots. */
export function nodeHandlers(roots: Roots): Handlers {
  return {
    ...fileHandlers(roots),
    HostFacts: facts,
    Http: httpHandler(`azall/${core.version()}`),
    RunScript: scriptHandler(roots),
  };
}

/** A config that was opened, and the folders that it names. */
export interface Opened {
  config: Config;
  roots: Roots;
  /** The mailboxes folder. */
  mailboxes: string;
}

/** Reads a config file, which need not be there. It names the other folders, so it is read through its own alone. */
export async function openConfig(file: string, agent: string | undefined, options: DriveOptions): Promise<Opened> {
  const folder = path.dirname(file);
  const op = inCore(() => core.Op.open(path.basename(file), file, agent));
  await runOpening(op, new Roots(folder, folder), options);
  const config = inCore(() => op.takeConfig());
  const mailboxes = path.resolve(folder, config.mailboxDir);
  config.setMailboxesShown(mailboxes);
  return { config, roots: new Roots(folder, mailboxes), mailboxes };
}

async function runOpening(op: Op, roots: Roots, options: DriveOptions): Promise<OpenedStep> {
  const step = await drive(op, nodeHandlers(roots), options);
  if (step.step !== 'opened') throw new AzallError('host', 'the core did something else than open a config');
  return step;
}

/** Runs a command to its end. */
export async function runCommand<N extends CommandName>(op: Op<N>, roots: Roots, options: DriveOptions): Promise<DoneStep<N>> {
  const step = await drive(op, nodeHandlers(roots), options);
  if (step.step !== 'done') throw new AzallError('host', 'the core did something else than run a command');
  return step;
}
