// A host over files in memory, driven by the loop that the documentation gives: answers come later, in any order.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import { root } from './builds.mjs';

/** The code block of the documentation that defines `drive`. */
function documented() {
  const lines = fs.readFileSync(path.join(root, 'docs/wasm.md'), 'utf8').split('\n');
  const [start, end] = ['    function now() {', '    const opening ='].map((mark) => lines.findIndex((line) => line.startsWith(mark)));
  assert.ok(start > 0 && end > start);
  return new Function(`${lines.slice(start, end).join('\n')}; return drive;`)();
}

export const drive = documented();

/** A host over a map of files, whose every answer takes a turn or two. */
export class Files {
  constructor() {
    this.files = new Map();
    this.events = [];
    this.turns = 0;
    this.answer = async (effect) => {
      this.turns += 1;
      for (let turn = 0; turn < this.turns % 3; turn += 1) await Promise.resolve();
      return this.now(effect);
    };
    this.tell = ({ level, text }) => this.events.push([level, text]);
  }

  path({ root, path }) {
    return `${root}/${path}`.replace(/\/$/, '');
  }

  now(effect) {
    const missing = { Err: { kind: 'not_found', message: 'it is not there' } };
    switch (effect.kind) {
      case 'ReadFile':
        return this.files.has(this.path(effect.place)) ? { Ok: this.files.get(this.path(effect.place)) } : missing;
      case 'ReadMany':
        return { Ok: effect.names.map((name) => this.head(`${this.path(effect.folder)}/${name}`, effect.limit)) };
      case 'List':
        return this.list(`${this.path(effect.folder)}/`);
      case 'WriteAtomic':
        if (effect.exclusive && this.files.has(this.path(effect.place))) {
          return { Err: { kind: 'already_exists', message: 'it is there' } };
        }
        this.files.set(this.path(effect.place), effect.bytes);
        return { Ok: null };
      case 'Append': {
        const before = this.files.get(this.path(effect.place)) ?? new Uint8Array();
        this.files.set(this.path(effect.place), Buffer.concat([before, effect.bytes]));
        return { Ok: null };
      }
      case 'Rename': {
        const [from, to] = [effect.from, effect.to].map((place) => this.path(place));
        if (!this.files.has(from)) return missing;
        const bytes = this.files.get(from);
        this.files.delete(from);
        this.files.set(to, bytes);
        return { Ok: null };
      }
      case 'Remove':
        this.files.delete(this.path(effect.place));
        return { Ok: null };
      case 'Random':
        return { Ok: new Uint8Array(crypto.randomBytes(effect.count)) };
      case 'HostFacts':
        return { Ok: { machine_name: 'm', system: 'Linux', fingerprint_parts: [], process: '1' } };
      default:
        return { Err: { kind: 'unsupported', message: 'not here' } };
    }
  }

  head(file, limit) {
    const bytes = this.files.get(file);
    if (!bytes) return { Err: { kind: 'not_found', message: 'it is not there' } };
    return { Ok: { bytes: bytes.subarray(0, limit), truncated: bytes.length > limit } };
  }

  list(folder) {
    const rest = [...this.files.keys()].filter((file) => file.startsWith(folder)).map((file) => file.slice(folder.length));
    const names = new Map(rest.map((file) => [file.split('/')[0], file.includes('/') ? 'folder' : 'file']));
    if (names.size === 0) return { Err: { kind: 'not_found', message: 'it is not there' } };
    return { Ok: [...names].map(([name, kind]) => ({ name, kind, size: 0, modified_ms: 0 })) };
  }

  async run(build, command) {
    const opening = build.Op.open('config.json', '/a/config.json');
    await drive(opening, this.answer, this.tell);
    return drive(new build.Op(command, opening.takeConfig()), this.answer, this.tell);
  }
}
