// A lock that one process at a time holds, and that counts for nothing once the process is gone.
//
// Whoever wants it writes a file of its own, and has it if no other file is that of a living process. Two who want it at once may both
// see the other's file, never neither, and try again. Files of processes that are gone are removed; since no name is used twice, nobody
// removes that of a living one.

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import process from 'node:process';

import type { Disk } from './disk.js';
import { errorCode } from './system.js';

const PREFIX = 'lock-';

/** The most bytes of a lock file that are read. */
const MOST_BYTES = 1024;

/** How often it is tried, and the longest pause in between. */
const ATTEMPTS = 5;
const LONGEST_PAUSE_MS = 50;

/** Takes the lock of a folder: the name of its file, or nothing when another process has it. */
export async function takeLock(disk: Disk): Promise<string | undefined> {
  const own = `${PREFIX}${randomBytes(8).toString('hex')}`;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    await disk.write(own, JSON.stringify({ pid: process.pid, started: await startOf(process.pid) }));
    if (await isAlone(disk, own)) return own;
    await disk.remove(own);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * LONGEST_PAUSE_MS));
  }
  return undefined;
}

async function isAlone(disk: Disk, own: string): Promise<boolean> {
  for (const name of await disk.names('file')) {
    if (!name.startsWith(PREFIX) || name === own) continue;
    if (await holderLives(disk, name)) return false;
    await disk.remove(name);
  }
  return true;
}

async function holderLives(disk: Disk, name: string): Promise<boolean> {
  const bytes = await disk.read(name, MOST_BYTES);
  const holder = bytes === undefined ? undefined : parse(Buffer.from(bytes).toString());
  return holder !== undefined && isThere(holder.pid) && (await startOf(holder.pid)) === holder.started;
}

function parse(text: string): { pid: number; started: string } | undefined {
  try {
    const { pid, started } = JSON.parse(text) as { pid?: unknown; started?: unknown };
    const isPlain = typeof pid === 'number' && Number.isInteger(pid) && pid > 0 && typeof started === 'string';
    return isPlain ? { pid, started } : undefined;
  } catch {
    return undefined;
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It is somebody else's.
    return errorCode(error) === 'EPERM';
  }
}

/** When a process was started, as far as the system tells: in a container every first process has the same number. */
async function startOf(pid: number): Promise<string> {
  const read = (file: string) => readFile(file, 'latin1').catch(() => '');
  const [boot, stat] = [await read('/proc/sys/kernel/random/boot_id'), await read(`/proc/${pid}/stat`)];
  // The second field is a name in brackets, which may hold anything; the time of the start is the twenty-second.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return `${boot.trim()} ${fields[19] ?? ''}`;
}
