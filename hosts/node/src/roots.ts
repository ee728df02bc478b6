// Where the roots of an operation lie on this machine, and how a place becomes a path below one of them.

import path from 'node:path';

import { EffectError, type Place, type Root } from './effects.js';

/** A file or folder to be changed, as its folder and its name there. */
export interface Target {
  folder: string;
  name: string;
  path: string;
}

/** The absolute folder of each root, and what is known of the names below them. */
export class Roots {
  /** Folders and files whose names this process has seen on the disk for sure. */
  private readonly durable = new Set<string>();
  private readonly folders: ReadonlyMap<string, string>;

  constructor(config: string, mailboxes: string) {
    const absolute = (folder: string) => {
      if (!path.isAbsolute(folder)) throw new EffectError('other', `${folder} cannot hold a mailbox: the path must be absolute`);
      return path.normalize(folder);
    };
    const shared = path.join(path.dirname(absolute(mailboxes)), 'shared');
    this.folders = new Map([
      ['config', absolute(config)],
      ['mailboxes', absolute(mailboxes)],
      ['shared', shared],
    ]);
  }

  /** The folder of a root. */
  folder(root: Root): string {
    const folder = this.folders.get(root);
    if (folder === undefined) throw new EffectError('permission_denied', 'not one of the mailbox’s roots');
    return folder;
  }

  /** The path of a place: checked here again, because this is the last point before the system. */
  resolve(place: Place): string {
    const folder = this.folder(place.root);
    if (place.path === '') return folder;
    return `${folder}/${place.path.split('/').map(plainName).join('/')}`;
  }

  /** The folder and name of a place that is to be written, renamed or removed: never a root itself. */
  split(place: Place): Target {
    const full = this.resolve(place);
    if (place.path === '') throw new EffectError('permission_denied', 'the root folder itself cannot be changed');
    return { folder: path.dirname(full), name: path.basename(full), path: full };
  }

  /** The folder and those above it, up to the config's, whose names may not be durable: another process may have made them and
   * died before it synced them. */
  doubtful(folder: string): string[] {
    const data = path.dirname(this.folder('mailboxes'));
    const config = this.folder('config');
    const doubtful: string[] = [];
    for (let at = folder; isBelow(at, data) || (isBelow(at, config) && at !== config); at = path.dirname(at)) {
      if (!this.durable.has(at)) doubtful.push(at);
      if (at === path.dirname(at)) break;
    }
    return doubtful;
  }

  isDurable(file: string): boolean {
    return this.durable.has(file);
  }

  noteDurable(paths: Iterable<string>): void {
    for (const each of paths) this.durable.add(each);
  }

  /** What was at this path is there no more: what comes there anew is not durable for having been so before. */
  forgetDurable(gone: string): void {
    for (const each of this.durable) if (isBelow(each, gone)) this.durable.delete(each);
  }
}

function isBelow(file: string, folder: string): boolean {
  return file === folder || file.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/** Refuses a name that is not one plain part of a path. */
export function plainName(name: string): string {
  const why = whyNot(name);
  if (why === undefined) return name;
  throw new EffectError('permission_denied', `${JSON.stringify(name.slice(0, 80))} is no path inside the mailbox: ${why}`);
}

function whyNot(name: string): string | undefined {
  if (name === '') return 'a part of it is empty';
  if (name === '.' || name === '..') return 'it must not contain . or ..';
  if (Buffer.byteLength(name) > 255) return 'a part of it is longer than 255 bytes';
  if (/[/\\:]/.test(name)) return 'a part of it holds a slash, a backslash or a colon';
  return /\p{Cc}/u.test(name) ? 'it holds a control character' : undefined;
}
