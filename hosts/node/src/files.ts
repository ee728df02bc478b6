// The effects on files, as every host with files answers them: durable, never outside the roots, never through a symbolic link in the
// place of a file.

import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, statSync, type Dirent } from 'node:fs';
import { link, lstat, open, readdir, rename, rm, unlink, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { isUtf8 } from 'node:buffer';

import { EffectError, type Entry, type FileHead, type Handlers, type Place, type Result } from './effects.js';
import { Folders } from './folders.js';
import { plainName, type Roots, type Target } from './roots.js';
import { errorCode, systemFailure } from './system.js';

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_APPEND, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY, O_DIRECTORY } = constants;

/** Opens a file without following a symbolic link, and without waiting at a pipe or a device. */
const TO_READ = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

/** How many small files are read or looked at before others have their turn. */
const AT_ONCE = 64;

/** The most random bytes of one effect. */
const MOST_RANDOM = 1024;

/** A handler whose failures are the system's. */
function told<E, A>(handle: (effect: E) => Promise<A> | A): (effect: E) => Promise<A> {
  return async (effect) => {
    try {
      return await handle(effect);
    } catch (error) {
      throw systemFailure(error);
    }
  };
}

/** The handlers of the effects on files below these roots, and of `Random`. */
export function fileHandlers(
  roots: Roots,
): Pick<Handlers, 'ReadFile' | 'ReadMany' | 'List' | 'WriteAtomic' | 'Append' | 'Rename' | 'Remove' | 'Random'> {
  return {
    ReadFile: told(({ place, limit }) => readFile(roots.resolve(place), limit)),
    ReadMany: told(({ folder, names, limit }) => readMany(roots.resolve(folder), names, limit)),
    List: told(({ folder, with_meta }) => list(roots.resolve(folder), with_meta)),
    WriteAtomic: told((effect) => writeAtomic(roots, effect)),
    Append: told((effect) => append(roots, effect)),
    Rename: told((effect) => renamed(roots, effect)),
    Remove: told(({ place }) => removed(roots, place)),
    Random: told(random),
  };
}

function random({ count }: { count: number }): Uint8Array {
  if (!(count >= 0 && count <= MOST_RANDOM)) {
    throw new EffectError('too_large', `at most ${MOST_RANDOM} random bytes at once`);
  }
  return new Uint8Array(randomBytes(count));
}

async function readFile(file: string, limit: number): Promise<Uint8Array> {
  const tooLarge = () => new EffectError('too_large', `larger than ${limit} bytes`);
  const opened = await open(file, TO_READ);
  try {
    const stat = await opened.stat();
    if (!stat.isFile()) throw new EffectError('permission_denied', 'not a regular file');
    if (stat.size > limit) throw tooLarge();
    // A file that grows meanwhile is read on, but not beyond the limit.
    const chunks: Buffer[] = [];
    let length = 0;
    for (let size = stat.size + 1; length <= limit; size = 64 * 1024) {
      const { bytesRead, buffer } = await opened.read(Buffer.allocUnsafe(Math.max(size, 1)), 0, null, null);
      if (bytesRead === 0) return plain(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
      chunks.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
    }
    throw tooLarge();
  } finally {
    await opened.close();
  }
}

/** The same bytes as a plain `Uint8Array`. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** Lets others have their turn. */
function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function mustBeFolder(folder: string): Promise<void> {
  const opened = await open(folder, O_RDONLY | O_DIRECTORY);
  await opened.close();
}

async function readMany(folder: string, names: string[], limit: number): Promise<Result<FileHead>[]> {
  await mustBeFolder(folder);
  const heads: Result<FileHead>[] = [];
  for (const [index, name] of names.entries()) {
    // A small file is read sooner than another thread is asked to.
    heads.push(readHead(folder, name, limit));
    if (index % AT_ONCE === AT_ONCE - 1) await pause();
  }
  return heads;
}

/** What befalls a single file is that file's answer alone. */
function readHead(folder: string, name: string, limit: number): Result<FileHead> {
  try {
    const opened = openSync(`${folder}/${plainName(name)}`, TO_READ);
    try {
      return { Ok: headOf(opened, limit) };
    } finally {
      closeSync(opened);
    }
  } catch (error) {
    const { kind, message } = systemFailure(error);
    return { Err: { kind, message } };
  }
}

function headOf(opened: number, limit: number): FileHead {
  const size = fstatSync(opened).size;
  const buffer = Buffer.allocUnsafe(Math.min(size, limit) + 1);
  let length = 0;
  while (length < buffer.length) {
    const read = readSync(opened, buffer, length, buffer.length - length, null);
    if (read === 0) break;
    length += read;
  }
  return { bytes: plain(buffer.subarray(0, Math.min(length, limit))), truncated: length > limit || size > limit };
}

async function list(folder: string, withMeta: boolean): Promise<Entry[]> {
  const entries: Entry[] = [];
  let index = 0;
  for (const dirent of await readdir(Buffer.from(folder), { withFileTypes: true, encoding: 'buffer' })) {
    const entry = entryOf(folder, dirent, withMeta);
    if (entry !== undefined) entries.push(entry);
    index += 1;
    if (withMeta && index % AT_ONCE === 0) await pause();
  }
  return entries;
}

function entryOf(folder: string, dirent: Dirent<Buffer>, withMeta: boolean): Entry | undefined {
  const name = dirent.name.toString('utf8');
  const full = Buffer.concat([Buffer.from(`${folder}/`), dirent.name]);
  const entry: Entry = { name, kind: isUtf8(dirent.name) ? kindOf(full, dirent) : 'other', size: 0, modified_ms: 0 };
  if (!withMeta) return entry;
  const stat = lstatSync(full, { throwIfNoEntry: false });
  // Removed since it was listed.
  if (stat === undefined) return undefined;
  // A program can set back when the content last changed, but not when the name or the rights did.
  return { ...entry, size: stat.size, modified_ms: Math.floor(Math.max(stat.mtimeMs, stat.ctimeMs)) };
}

function kindOf(full: Buffer, dirent: Dirent<Buffer>): Entry['kind'] {
  if (dirent.isFile()) return 'file';
  if (dirent.isDirectory()) return 'folder';
  if (!dirent.isSymbolicLink()) return 'other';
  try {
    return statSync(full).isDirectory() ? 'linkedfolder' : 'other';
  } catch {
    return 'other';
  }
}

interface Write {
  place: Place;
  bytes: Uint8Array;
  private: boolean;
  exclusive: boolean;
}

async function writeAtomic(roots: Roots, effect: Write): Promise<null> {
  const target = roots.split(effect.place);
  const folders = new Folders(roots);
  await folders.ensure(target.folder);
  // The link decides; this only spares the work and the syncs when the answer is known already.
  if (effect.exclusive && (await isThere(target.path))) throw new EffectError('already_exists', 'File exists');
  folders.doubt(target.folder);
  const temporary = `${target.folder}/.tmp-${randomBytes(8).toString('hex')}-0`;
  try {
    await writeTemporary(temporary, effect);
    await (effect.exclusive ? moveExclusive(temporary, target.path) : rename(temporary, target.path));
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
  folders.noteChanged(target.folder);
  await folders.sync();
  return null;
}

async function isThere(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function writeTemporary(temporary: string, effect: Write): Promise<void> {
  const opened = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, effect.private ? 0o600 : 0o644);
  try {
    await opened.writeFile(effect.bytes);
    await opened.datasync();
  } finally {
    await opened.close();
  }
}

/** Gives a file its name unless that is taken, in one step: a second link is exclusive where a rename is not. */
async function moveExclusive(from: string, to: string): Promise<void> {
  await link(from, to);
  await unlink(from);
}

async function append(roots: Roots, effect: { place: Place; bytes: Uint8Array; private: boolean }): Promise<null> {
  const target = roots.split(effect.place);
  const folders = new Folders(roots);
  await folders.ensure(target.folder);
  const [opened, isNew] = await openToAppend(target, effect.private ? 0o600 : 0o644);
  try {
    await add(opened, effect.bytes);
  } finally {
    await opened.close();
  }
  if (isNew) folders.noteChanged(target.folder);
  folders.doubt(target.folder);
  folders.doubtFile(target.path);
  await folders.sync();
  return null;
}

async function openToAppend(target: Target, mode: number): Promise<[FileHandle, boolean]> {
  const flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK;
  try {
    return [await open(target.path, flags, mode), false];
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    return [await open(target.path, flags | O_CREAT, mode), true];
  }
}

/** Adds to an open file; takes back what was added when not all of it could be. */
async function add(opened: FileHandle, bytes: Uint8Array): Promise<void> {
  const before = (await opened.stat()).size;
  try {
    await opened.appendFile(bytes);
    await opened.datasync();
  } catch (error) {
    // Only what this call has added may be cut off, never what another process has added after it.
    const now = (await opened.stat()).size;
    if (now >= before && now <= before + bytes.length) await opened.truncate(before).catch(() => {});
    throw error;
  }
}

async function renamed(roots: Roots, effect: { from: Place; to: Place; exclusive: boolean }): Promise<null> {
  const [from, to] = [roots.split(effect.from), roots.split(effect.to)];
  const source = await lstat(from.path);
  const folders = new Folders(roots);
  await folders.ensure(to.folder);
  // The new folder first: what is moved into a folder that a loss of power takes away is gone from the old one as well.
  folders.doubt(to.folder);
  await folders.sync();
  if (effect.exclusive && source.isDirectory()) {
    // No folder has a second link; one that has something in it is never replaced by the rename either.
    if (await isThere(to.path)) throw new EffectError('already_exists', 'File exists');
    await rename(from.path, to.path);
  } else {
    await (effect.exclusive ? moveExclusive(from.path, to.path) : rename(from.path, to.path));
  }
  roots.forgetDurable(from.path);
  folders.noteChanged(from.folder);
  folders.noteChanged(to.folder);
  await folders.sync();
  return null;
}

/** A symbolic link is removed itself; what it points to is not touched. */
async function removed(roots: Roots, place: Place): Promise<null> {
  const target = roots.split(place);
  try {
    await unlink(target.path);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return null;
    // A folder: Linux says the first, POSIX and macOS the second.
    if (code !== 'EISDIR' && code !== 'EPERM') throw error;
    await rm(target.path, { recursive: true, force: true });
  }
  roots.forgetDurable(target.path);
  const folders = new Folders(roots);
  folders.noteChanged(path.dirname(target.path));
  await folders.sync();
  return null;
}
