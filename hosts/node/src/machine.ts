// What this machine is, and its Python scripts.

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { lstat, readFile, readdir } from 'node:fs/promises';
import os from 'node:os';

import { EffectError, type EffectOf, type Facts, type ScriptResult } from './effects.js';
import type { Roots } from './roots.js';
import { errorCode, systemFailure } from './system.js';

/** Asks Python for the facts that the reference hashes, a line each: a token made by any client is then good for the others. */
const ASK_PYTHON = `import platform as p, uuid
for fact in (p.node(), p.machine(), p.processor(), p.system(), p.release(), p.python_version(), uuid.getnode()): print(fact)`;

/** How many facts that is. */
const PYTHON_FACTS = 7;

/** How long Python may take to tell them: nobody waits for ever for one that hangs. */
const PYTHON_MS = 30_000;

/** Answers `HostFacts`. */
export async function facts(_effect: object, over: AbortSignal): Promise<Facts> {
  const machineName = os.hostname();
  return {
    machine_name: machineName,
    system: os.type(),
    fingerprint_parts: await fingerprintParts(over),
    process: `${process.pid}@${machineName}`,
  };
}

/** What tells this machine from others, in the order in which it is hashed. */
async function fingerprintParts(over: AbortSignal): Promise<string[]> {
  const parts = (await factsOfPython(over)) ?? (await ownFacts());
  const id = await machineId();
  return id === undefined ? parts : [...parts, id];
}

function factsOfPython(signal: AbortSignal): Promise<string[] | undefined> {
  return new Promise((resolve) => {
    const how = { encoding: 'utf8', signal, timeout: PYTHON_MS, killSignal: 'SIGKILL' } as const;
    execFile('python3', ['-I', '-c', ASK_PYTHON], how, (error, stdout) => {
      const lines = stdout.replace(/\n$/, '').split(/\r?\n/);
      resolve(error === null && lines.length === PYTHON_FACTS ? lines : undefined);
    });
  });
}

/** The same facts without Python: its version is left empty, so that such tokens are good among clients without it. */
async function ownFacts(): Promise<string[]> {
  return [os.hostname(), os.machine(), '', os.type(), os.release(), '', await hardwareAddress()];
}

/** The first hardware address, by the interfaces' names, as a number. */
async function hardwareAddress(): Promise<string> {
  const folder = '/sys/class/net';
  for (const name of (await readdir(folder).catch(() => [])).sort()) {
    const text = await readFile(`${folder}/${name}/address`, 'utf8').catch(() => '');
    const digits = text.trim().replaceAll(':', '');
    const number = /^[0-9a-fA-F]{1,16}$/.test(digits) ? BigInt(`0x${digits}`) : 0n;
    if (number !== 0n) return number.toString();
  }
  return '0';
}

/** The machine's id, where the system keeps one. */
async function machineId(): Promise<string | undefined> {
  for (const file of ['/etc/machine-id', '/var/lib/dbus/machine-id']) {
    const id = (await readFile(file, 'utf8').catch(() => '')).trim();
    if (id !== '') return id;
  }
  return undefined;
}

/** Variables of azall's own that a script may see: they say where the mailbox is, and hold no secret. */
const SHARED_VARIABLES: ReadonlySet<string> = new Set(['AGENTAZALL_CONFIG', 'AGENTAZALL_ROOT', 'AGENTAZALL_AGENT']);

/** How long what a script has written may take to be read once it has ended: a process that has left its group may hold the pipe. */
const DRAIN_MS = 200;

/** The program that runs WebAssembly, on the path. It comes with the native azall. */
const SANDBOX = 'azall-sandbox';

/** The sandbox ends a program at the time limit itself, and says why. It is ended from outside this much later if it does not. */
const GRACE_MS = 5000;

/** A command line, and how long it may run. */
interface Start {
  program: string;
  words: readonly string[];
  timeoutMs: number;
}

/** What runs a script: Python, or the sandbox, where the agent's own folder is all that a program sees. */
function startOf(roots: Roots, effect: EffectOf<'RunScript'>, script: string): Start {
  if (!effect.script.path.endsWith('.wasm')) {
    return { program: 'python3', words: [script, ...effect.args], timeoutMs: effect.timeout_ms };
  }
  const seconds = String(Math.max(1, Math.ceil(effect.timeout_ms / 1000)));
  const mebibytes = String(Math.max(1, Math.ceil(effect.output_limit / 2 ** 20)));
  const bounds = ['--time', seconds, '--wall', seconds, '--output', mebibytes];
  const words = ['--folder', roots.resolve(effect.folder), '--module', script, ...bounds, '--', ...effect.args];
  return { program: SANDBOX, words, timeoutMs: effect.timeout_ms + GRACE_MS };
}

/**
 * Answers `RunScript`. A Python script runs in the folder of all mailboxes, without azall's own variables but for three. It leads a process
 * group, and all of the group ends with it: when it exits, at the time limit, or when nobody waits any more.
 */
export function scriptHandler(roots: Roots): (effect: EffectOf<'RunScript'>, over: AbortSignal) => Promise<ScriptResult> {
  return async (effect, over) => {
    const script = roots.resolve(effect.script);
    const stat = await lstat(script).catch((error: unknown) => {
      throw systemFailure(error);
    });
    if (!stat.isFile()) throw new EffectError('permission_denied', 'not a regular file');
    const start = startOf(roots, effect, script);
    return new Running(start, effect.output_limit, roots.folder('mailboxes')).finish(start.timeoutMs, over);
  };
}

function environment(): NodeJS.ProcessEnv {
  const hidden = (name: string) => /^(AGENTAZALL|AZALL)_/.test(name) && !SHARED_VARIABLES.has(name);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !hidden(name)));
}

/** A script that was started. */
class Running {
  private readonly child: ChildProcess;
  private readonly stdout: Kept;
  private readonly stderr: Kept;

  constructor(
    private readonly start: Start,
    outputLimit: number,
    folder: string,
  ) {
    this.child = spawn(start.program, start.words, {
      cwd: folder,
      detached: true,
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.stdout = new Kept(this.child.stdout, outputLimit);
    this.stderr = new Kept(this.child.stderr, outputLimit);
  }

  async finish(timeoutMs: number, over: AbortSignal): Promise<ScriptResult> {
    let timedOut = false;
    const stop = () => this.endGroup();
    const timer = setTimeout(() => {
      timedOut = true;
      stop();
    }, timeoutMs);
    over.addEventListener('abort', stop);
    if (over.aborted) stop();
    try {
      const code = await this.exit();
      this.endGroup();
      await this.drained();
      const truncated = this.stdout.truncated || this.stderr.truncated;
      return { code, timed_out: timedOut, stdout: this.stdout.bytes(), stderr: this.stderr.bytes(), truncated };
    } finally {
      clearTimeout(timer);
      over.removeEventListener('abort', stop);
    }
  }

  private exit(): Promise<number | null> {
    return new Promise((resolve, reject) => {
      this.child.once('exit', (code) => resolve(code));
      this.child.once('error', (error) => {
        const isMissing = errorCode(error) === 'ENOENT';
        const missing = `there is no ${this.start.program} to run it with`;
        reject(isMissing ? new EffectError('unsupported', missing) : systemFailure(error));
      });
    });
  }

  private async drained(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DRAIN_MS);
    });
    await Promise.race([Promise.all([this.stdout.ended, this.stderr.ended]), late]);
    clearTimeout(timer);
    this.child.stdout?.destroy();
    this.child.stderr?.destroy();
  }

  private endGroup(): void {
    if (this.child.pid === undefined) return;
    try {
      process.kill(-this.child.pid, 'SIGKILL');
    } catch {
      // Nobody is left in it.
    }
  }
}

/** What comes out of one end of a script, up to a limit; the rest is read and dropped. */
class Kept {
  truncated = false;
  readonly ended: Promise<void>;
  private readonly chunks: Buffer[] = [];
  private length = 0;

  constructor(stream: NodeJS.ReadableStream | null, limit: number) {
    stream?.on('data', (chunk: Buffer) => {
      const wanted = chunk.subarray(0, Math.max(limit - this.length, 0));
      this.truncated ||= wanted.length < chunk.length;
      // Even an empty part keeps the whole chunk in memory.
      if (wanted.length > 0) this.chunks.push(wanted);
      this.length += wanted.length;
    });
    this.ended = new Promise((resolve) => {
      stream?.once('close', resolve);
      stream?.once('error', () => resolve());
    });
  }

  bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.chunks));
  }
}
