// The `azall` command: arguments and files in, text and an exit code out. What a command means is decided in the core; this only
// fetches what it names, has it driven, and prints.

import path from 'node:path';
import process from 'node:process';
import { isatty } from 'node:tty';

import type { CommandLine, Ending, Input, Op, Source } from '../types/core.js';
import { writeArchive } from './archive.js';
import { core } from './core.js';
import type { DriveOptions, Event } from './drive.js';
import { variable } from './environment.js';
import { AzallError, fromCore } from './errors.js';
import { openConfig, runCommand } from './host.js';
import { readBounded, readFileBounded } from './reading.js';
import { words } from './system.js';

/** The exit code of a process ended by SIGINT, as shells count. */
const EXIT_INTERRUPTED = 130;

/** How to print. */
interface Manner {
  json: boolean;
  verbose: boolean;
  color: boolean;
  colorOfNotices: boolean;
}

/** Runs one command line (without the program's name) and gives its exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  // A reader that goes away while lines are told has nothing to complain about; what is printed at the end tells its own failures.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  const parsed = core.CommandLine.parse(argv);
  if (parsed.ending) return leave(parsed.ending);
  const manner = mannerOf(parsed.line);
  try {
    return await runLine(parsed.line, manner);
  } catch (thrown) {
    const error = fromCore(thrown);
    const exitCode = error instanceof AzallError ? error.exitCode : 1;
    return leave(core.failedEnding(words(error), exitCode, manner.json, manner.colorOfNotices));
  }
}

function mannerOf(line: CommandLine): Manner {
  const colorful = !line.noColor && !process.env.NO_COLOR;
  return {
    json: line.json,
    verbose: line.verbose,
    color: colorful && isatty(process.stdout.fd),
    colorOfNotices: colorful && isatty(process.stderr.fd),
  };
}

async function runLine(line: CommandLine, manner: Manner): Promise<number> {
  const file = path.resolve(line.configPath(variable('AGENTAZALL_CONFIG'), variable('AGENTAZALL_ROOT')));
  const inputs: (Input | null)[] = [];
  for (const source of line.sources()) inputs.push(await readInput(source));
  const options: DriveOptions = { signal: onSignals(), onEvent: (event) => tell(event, manner) };
  const opened = await openConfig(file, variable('AGENTAZALL_AGENT'), options);
  const started = line.start(inputs, opened.config);
  if (started.ending) return leave(started.ending);
  const done = await runCommand(started.op, opened.roots, options);
  if (done.file !== null) await writeArchive(done.file.path, done.file.bytes);
  return finish(started.op, manner);
}

/** A signal that SIGTERM and SIGINT abort. A SIGINT after that ends the process at once: every write is complete or not there. */
function onSignals(): AbortSignal {
  const stop = new AbortController();
  process.on('SIGTERM', () => stop.abort());
  process.on('SIGINT', () => {
    if (stop.signal.aborted) process.exit(EXIT_INTERRUPTED);
    stop.abort();
  });
  return stop.signal;
}

async function readInput(source: Source): Promise<Input | null> {
  if (source.from === 'stdin-if-piped' && isatty(process.stdin.fd)) return null;
  const name = source.path ?? '-';
  try {
    return { name, bytes: await readSource(source) };
  } catch (error) {
    throw new AzallError('file', `cannot read ${source.path ?? 'standard input'}: ${words(error)}`);
  }
}

async function readSource({ path: file, limit }: Source): Promise<Uint8Array> {
  if (file === null) return readBounded(process.stdin, limit);
  if (file === '') throw new Error('cannot make an empty path absolute');
  return readFileBounded(path.resolve(file), limit);
}

/** Shows an event: notices on standard error, a part of the result on standard output. */
function tell(event: Event, manner: Manner): void {
  const color = event.level === 'result' ? manner.color : manner.colorOfNotices;
  const line = core.eventLine(event.level, event.text, manner.json, manner.verbose, color);
  if (line !== null) (line.to_stderr ? process.stderr : process.stdout).write(line.text);
}

/** Prints an ending and gives its code. */
async function leave(ending: Ending): Promise<number> {
  await print(ending.to_stderr ? process.stderr : process.stdout, ending.text);
  return ending.code;
}

/** Prints what a command gave, and gives its exit code. */
async function finish(op: Op, manner: Manner): Promise<number> {
  const ending = op.ending(manner.json, manner.color);
  const problem = await print(process.stdout, ending.text);
  if (problem === undefined) return ending.code;
  await print(process.stderr, `error: cannot print: ${problem}\n`);
  return 1;
}

/** Prints, and tells what went wrong. A reader that has gone away (`azall inbox | head`) has nothing to complain about. */
function print(stream: NodeJS.WriteStream, text: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const isGone = (error: NodeJS.ErrnoException) => error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED';
    stream.write(text, (error) => resolve(error && !isGone(error) ? words(error) : undefined));
  });
}
