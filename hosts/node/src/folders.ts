// Folders made and synced on behalf of writes.

import { open, mkdir } from 'node:fs/promises';
import { constants } from 'node:fs';
import path from 'node:path';

import type { Roots } from './roots.js';
import { errorCode } from './system.js';

/** Syncs of folders, shared: whoever asks while one has not begun yet waits for that one. */
const coming = new Map<string, Promise<void>>();
const running = new Map<string, Promise<void>>();

/** Makes the entries of a folder durable. */
export function syncFolder(folder: string): Promise<void> {
  const shared = coming.get(folder);
  if (shared !== undefined) return shared;
  const next = (async () => {
    // One that runs already may have begun before the caller's change.
    await (running.get(folder) ?? Promise.resolve()).catch(() => {});
    coming.delete(folder);
    const sync = syncNow(folder);
    running.set(folder, sync);
    try {
      await sync;
    } finally {
      if (running.get(folder) === sync) running.delete(folder);
    }
  })();
  coming.set(folder, next);
  return next;
}

async function syncNow(folder: string): Promise<void> {
  const opened = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await opened.sync();
  } catch (error) {
    // Some network and user-space file systems have nothing to sync in a folder and say so in this way.
    if (errorCode(error) !== 'EINVAL') throw error;
  } finally {
    await opened.close();
  }
}

/** The folders of one write: those whose entries changed, and names that were there already and may not be durable. */
export class Folders {
  private readonly changed = new Set<string>();
  private readonly doubtful = new Set<string>();

  constructor(private readonly roots: Roots) {}

  /** Makes a folder with all its missing parents. */
  async ensure(folder: string): Promise<void> {
    try {
      await mkdir(folder, { mode: 0o777 });
    } catch (error) {
      const code = errorCode(error);
      if (code === 'EEXIST') return this.mustBeFolder(folder);
      if (code !== 'ENOENT') throw error;
      await this.ensure(path.dirname(folder));
      await mkdir(folder, { mode: 0o777 }).catch((again: unknown) => {
        // Somebody else may have made it in between.
        if (errorCode(again) !== 'EEXIST') throw again;
      });
    }
    this.noteChanged(path.dirname(folder));
  }

  private async mustBeFolder(folder: string): Promise<void> {
    const opened = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    await opened.close();
  }

  /** Notes that an entry of this folder was made, renamed or removed. */
  noteChanged(folder: string): void {
    this.changed.add(folder);
  }

  /** Notes that this folder, or one above it, may be there without being durable. */
  doubt(folder: string): void {
    for (const each of this.roots.doubtful(folder)) this.doubtful.add(each);
  }

  /** Notes that this file may have a name that is not durable. */
  doubtFile(file: string): void {
    if (!this.roots.isDurable(file)) this.doubtful.add(file);
  }

  /** Makes the entries of the changed folders durable. */
  async sync(): Promise<void> {
    const doubtful = [...this.doubtful];
    this.doubtful.clear();
    const changed = [...this.changed];
    this.changed.clear();
    // A folder above the mailboxes may be closed to us; what is in it is then not ours to make durable.
    const above = new Set(doubtful.map((each) => path.dirname(each)).filter((each) => !changed.includes(each)));
    await Promise.all([
      ...changed.map(syncFolder),
      ...[...above].map((each) => syncFolder(each).catch((error: unknown) => ignoreClosed(error))),
    ]);
    this.roots.noteDurable(doubtful);
  }
}

function ignoreClosed(error: unknown): void {
  if (!['EACCES', 'EPERM', 'ENOENT'].includes(errorCode(error) ?? '')) throw error;
}
