// Writing an exported archive where it was asked for.

import { open, stat, lstat } from 'node:fs/promises';
import path from 'node:path';

import { AzallError } from './errors.js';
import { fileHandlers } from './files.js';
import { Roots } from './roots.js';
import { errorCode, words } from './system.js';

/** How every ZIP file with something in it begins. */
const ZIP_START = Buffer.from('PK\u0003\u0004', 'latin1');

/** Writes an archive for its owner's eyes alone, complete or not at all. An earlier archive of that name is replaced, as a nightly
 * backup wants it; a file of any other kind never is. */
export async function writeArchive(file: string, bytes: Uint8Array): Promise<void> {
  try {
    await write(path.resolve(file), bytes);
  } catch (error) {
    throw new AzallError('file', `cannot write ${file}: ${words(error)}`);
  }
}

async function write(file: string, bytes: Uint8Array): Promise<void> {
  const folder = path.dirname(file);
  const isFolder = await stat(folder).then((found) => found.isDirectory(), () => false);
  if (!isFolder) throw new Error('there is no such folder');
  const exclusive = !(await holdsArchive(file));
  const place = { root: 'config', path: path.basename(file) } as const;
  const handlers = fileHandlers(new Roots(folder, folder));
  await handlers.WriteAtomic({ place, bytes, private: true, exclusive }, new AbortController().signal);
}

/** Whether there is an archive at this path; `false` when nothing is there. */
async function holdsArchive(file: string): Promise<boolean> {
  try {
    if ((await lstat(file)).isFile() && (await startOf(file)).equals(ZIP_START)) return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
  throw new Error('it is there and no ZIP file, so it is not replaced');
}

async function startOf(file: string): Promise<Buffer> {
  const opened = await open(file, 'r');
  try {
    const { bytesRead, buffer } = await opened.read(Buffer.alloc(ZIP_START.length), 0, ZIP_START.length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await opened.close();
  }
}
