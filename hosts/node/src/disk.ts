// Files of one folder, for what is no command of a mailbox: written and read as the effects are, with failures that people understand.

import type { EffectFields, FileHead, FolderEntry } from '../types/core.js';
import { EffectError } from './effects.js';
import { AzallError } from './errors.js';
import { fileHandlers } from './files.js';
import { Roots } from './roots.js';

/** Nobody stops waiting for a file. */
const never = new AbortController().signal;

/** The folder `folder` below `root`, which is absolute. A folder that is not there is as good as an empty one. */
export class Disk {
  private readonly handlers: ReturnType<typeof fileHandlers>;

  constructor(
    private readonly root: string,
    private readonly folder: string,
  ) {
    this.handlers = fileHandlers(new Roots(root, root));
  }

  private place(name: string): EffectFields['ReadFile']['place'] {
    return { root: 'config', path: [this.folder, name].filter((part) => part !== '').join('/') };
  }

  /** What a file holds; nothing when it is not there. */
  read(name: string, limit: number): Promise<Uint8Array | undefined> {
    return this.ifThere(name, () => this.handlers.ReadFile({ place: this.place(name), limit }, never));
  }

  /** Writes a file for its owner's eyes alone, complete and durable. */
  async write(name: string, text: string): Promise<void> {
    const effect = { place: this.place(name), bytes: Buffer.from(text), private: true, exclusive: false };
    await this.told(name, () => this.handlers.WriteAtomic(effect, never));
  }

  /** Gives a file another name, whose file is replaced. */
  async rename(name: string, to: string): Promise<void> {
    await this.told(name, () => this.handlers.Rename({ from: this.place(name), to: this.place(to), exclusive: false }, never));
  }

  /** Removes a file; one that is not there is no error. */
  async remove(name: string): Promise<void> {
    await this.told(name, () => this.handlers.Remove({ place: this.place(name) }, never));
  }

  /** The names of the entries of a kind in a folder below, sorted. */
  async names(kind: FolderEntry['kind'], below = ''): Promise<string[]> {
    const effect = { folder: this.place(below), with_meta: false };
    const entries = await this.ifThere(below, () => this.handlers.List(effect, never));
    return (entries ?? []).flatMap((entry) => (entry.kind === kind ? [entry.name] : [])).sort();
  }

  /** The beginnings of files in a folder below; of one that is not there, nothing. */
  async heads(below: string, names: string[], limit: number): Promise<FileHead[]> {
    const effect = { folder: this.place(below), names, limit };
    const heads = await this.ifThere(below, () => this.handlers.ReadMany(effect, never));
    return (heads ?? []).flatMap((head, index) => {
      if ('Ok' in head) return [head.Ok];
      if (head.Err.kind === 'not_found') return [];
      throw this.failure(`${below}/${names[index] ?? ''}`, head.Err.message);
    });
  }

  private async told<T>(name: string, handle: () => T | Promise<T>): Promise<T> {
    try {
      return await handle();
    } catch (thrown) {
      throw thrown instanceof EffectError ? this.failure(name, thrown.message) : thrown;
    }
  }

  /** What a handler gives; nothing where there is no such file or folder. */
  private ifThere<T>(name: string, handle: () => T | Promise<T>): Promise<T | undefined> {
    return this.told(name, async () => {
      try {
        return await handle();
      } catch (thrown) {
        if (thrown instanceof EffectError && thrown.kind === 'not_found') return undefined;
        throw thrown;
      }
    });
  }

  private failure(name: string, message: string): AzallError {
    return new AzallError('file', `${this.root}/${this.place(name).path}: ${message}`);
  }
}
