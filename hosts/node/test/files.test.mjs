// The handlers of the effects on files: durable, private, and what they refuse.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { fileHandlers } from '../dist/files.js';
import { Roots } from '../dist/roots.js';
import { folder } from './support.mjs';

const never = new AbortController().signal;
const text = (bytes) => Buffer.from(bytes).toString();

function disk() {
  const root = folder();
  const mailboxes = path.join(root, 'data/mailboxes');
  const handlers = fileHandlers(new Roots(root, mailboxes));
  const asked = Object.fromEntries(
    Object.entries(handlers).map(([kind, handle]) => [kind, (effect) => Promise.resolve().then(() => handle(effect, never))]),
  );
  return { root, mailboxes, ...asked };
}

const at = (where, root = 'mailboxes') => ({ root, path: where });
const write = (place, content, how = {}) => ({ place, bytes: Buffer.from(content), private: false, exclusive: false, ...how });

test('a write is complete, makes its folders, and leaves no temporary file', async () => {
  const { WriteAtomic, ReadFile, mailboxes } = disk();
  await WriteAtomic(write(at('a/b/c.txt'), 'one'));
  await WriteAtomic(write(at('a/b/c.txt'), 'two', { private: true }));
  assert.equal(text(await ReadFile({ place: at('a/b/c.txt'), limit: 10 })), 'two');
  assert.deepEqual(fs.readdirSync(path.join(mailboxes, 'a/b')), ['c.txt']);
  assert.equal(fs.statSync(path.join(mailboxes, 'a/b/c.txt')).mode & 0o777, 0o600);
});

test('of many exclusive writes one succeeds, and none of the others leaves anything', async () => {
  const { WriteAtomic, mailboxes } = disk();
  const tries = Array.from({ length: 20 }, (_, index) => WriteAtomic(write(at('lock'), `${index}`, { exclusive: true })));
  const ended = await Promise.allSettled(tries);
  assert.equal(ended.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const { reason } of ended.filter(({ status }) => status === 'rejected')) assert.equal(reason.kind, 'already_exists');
  assert.deepEqual(fs.readdirSync(mailboxes), ['lock']);
});

test('nothing outside the roots is touched', async () => {
  const { root, ReadFile, ReadMany, WriteAtomic, Append, Rename, Remove, List } = disk();
  const outside = path.join(folder(), 'secret');
  fs.writeFileSync(outside, 'secret');
  await WriteAtomic(write(at('good'), 'x'));
  const refused = { name: 'EffectError', kind: 'permission_denied' };
  const bad = ['..', '../x', 'a/../../x', './x', '/etc/passwd', 'a//b', 'a/', 'a\\b', 'c:x', 'a\0b', 'a\nb', 'x'.repeat(256)];
  for (const place of bad) {
    await assert.rejects(ReadFile({ place: at(place), limit: 10 }), refused, place);
    await assert.rejects(WriteAtomic(write(at(place), 'x')), refused, place);
    await assert.rejects(Append({ place: at(place), bytes: Buffer.from('x'), private: false }), refused, place);
    await assert.rejects(Rename({ from: at('good'), to: at(place), exclusive: false }), refused, place);
    await assert.rejects(Rename({ from: at(place), to: at('x'), exclusive: false }), refused, place);
    await assert.rejects(Remove({ place: at(place) }), refused, place);
    await assert.rejects(List({ folder: at(place), with_meta: false }), refused, place);
    const [head] = await ReadMany({ folder: at(''), names: [place], limit: 10 });
    assert.equal(head.Err.kind, 'permission_denied', place);
  }
  for (const strange of ['elsewhere', '__proto__', 'toString', null]) {
    await assert.rejects(ReadFile({ place: at('x', strange), limit: 10 }), refused, strange);
  }
  for (const rooted of ['config', 'mailboxes', 'shared']) {
    await assert.rejects(Remove({ place: at('', rooted) }), refused);
    await assert.rejects(WriteAtomic(write(at('', rooted), 'x')), refused);
  }
  assert.equal(fs.readFileSync(outside, 'utf8'), 'secret');
  assert.deepEqual(fs.readdirSync(root), ['data']);
});

test('symbolic links, pipes and folders are not read or written in the place of a file', async () => {
  const { mailboxes, ReadFile, ReadMany, Append, WriteAtomic, Remove, List } = disk();
  const outside = path.join(folder(), 'secret');
  fs.writeFileSync(outside, 'secret');
  await WriteAtomic(write(at('file'), 'x'));
  fs.symlinkSync(outside, path.join(mailboxes, 'link'));
  fs.symlinkSync(path.dirname(outside), path.join(mailboxes, 'linked'));
  fs.mkdirSync(path.join(mailboxes, 'folder'));
  execFileSync('mkfifo', [path.join(mailboxes, 'pipe')]);
  const refused = { kind: 'permission_denied' };
  for (const name of ['link', 'folder', 'pipe']) await assert.rejects(ReadFile({ place: at(name), limit: 100 }), refused, name);
  await assert.rejects(Append({ place: at('link'), bytes: Buffer.from('x'), private: false }), refused);
  const heads = await ReadMany({ folder: at(''), names: ['link', 'folder', 'pipe', 'missing', 'file'], limit: 100 });
  assert.deepEqual(heads.map((head) => head.Err?.kind ?? text(head.Ok.bytes)), ['permission_denied', 'other', '', 'not_found', 'x']);
  const kinds = Object.fromEntries((await List({ folder: at(''), with_meta: true })).map(({ name, kind }) => [name, kind]));
  assert.deepEqual(kinds, { file: 'file', folder: 'folder', link: 'other', linked: 'linkedfolder', pipe: 'other' });
  await WriteAtomic(write(at('link'), 'mine'));
  await Remove({ place: at('linked') });
  assert.equal(fs.readFileSync(outside, 'utf8'), 'secret');
});

test('limits are kept, and heads tell that they are cut', async () => {
  const { ReadFile, ReadMany, WriteAtomic, Random } = disk();
  await WriteAtomic(write(at('a'), '12345'));
  assert.equal(text(await ReadFile({ place: at('a'), limit: 5 })), '12345');
  await assert.rejects(ReadFile({ place: at('a'), limit: 4 }), { kind: 'too_large' });
  await assert.rejects(ReadFile({ place: at('b'), limit: 4 }), { kind: 'not_found', message: 'No such file or directory' });
  const [whole, cut] = [await ReadMany({ folder: at(''), names: ['a'], limit: 5 }), await ReadMany({ folder: at(''), names: ['a'], limit: 3 })];
  assert.deepEqual([text(whole[0].Ok.bytes), whole[0].Ok.truncated], ['12345', false]);
  assert.deepEqual([text(cut[0].Ok.bytes), cut[0].Ok.truncated], ['123', true]);
  await assert.rejects(ReadMany({ folder: at('none'), names: [], limit: 3 }), { kind: 'not_found' });
  assert.equal((await Random({ count: 1024 })).length, 1024);
  await assert.rejects(Random({ count: 1025 }), { kind: 'too_large' });
});

test('appending, renaming and removing', async () => {
  const { mailboxes, Append, Rename, Remove, WriteAtomic, ReadFile } = disk();
  for (const part of ['a', 'b']) await Append({ place: at('log'), bytes: Buffer.from(part), private: true });
  assert.equal(text(await ReadFile({ place: at('log'), limit: 10 })), 'ab');
  assert.equal(fs.statSync(path.join(mailboxes, 'log')).mode & 0o777, 0o600);
  await Rename({ from: at('log'), to: at('x/y/log'), exclusive: true });
  await WriteAtomic(write(at('other'), 'o'));
  await assert.rejects(Rename({ from: at('other'), to: at('x/y/log'), exclusive: true }), { kind: 'already_exists' });
  await assert.rejects(Rename({ from: at('none'), to: at('z'), exclusive: false }), { kind: 'not_found' });
  await Rename({ from: at('other'), to: at('x/y/log'), exclusive: false });
  assert.equal(text(await ReadFile({ place: at('x/y/log'), limit: 10 })), 'o');
  await Rename({ from: at('x/y/log'), to: at('x/y/log'), exclusive: false });
  await Rename({ from: at('x'), to: at('moved'), exclusive: true });
  await assert.rejects(Rename({ from: at('moved'), to: at('moved'), exclusive: true }), { kind: 'already_exists' });
  await Remove({ place: at('moved') });
  await Remove({ place: at('moved') });
  await Remove({ place: at('none/at/all') });
  assert.deepEqual(fs.readdirSync(mailboxes), []);
});

test('a name that is not UTF-8 is listed and cannot be opened', async () => {
  const { mailboxes, List, WriteAtomic } = disk();
  await WriteAtomic(write(at('good'), 'x'));
  fs.writeFileSync(Buffer.concat([Buffer.from(`${mailboxes}/`), Buffer.from([0x62, 0xff])]), 'x');
  const entries = await List({ folder: at(''), with_meta: true });
  assert.deepEqual(entries.map(({ name, kind, size }) => [name, kind, size]).toSorted(), [['b\ufffd', 'other', 1], ['good', 'file', 1]]);
});

test('a file that says that it is old is as new as its last change', async () => {
  const { mailboxes, List, WriteAtomic } = disk();
  await WriteAtomic(write(at('dropped'), 'x'));
  fs.utimesSync(path.join(mailboxes, 'dropped'), 0, 0);
  const [entry] = await List({ folder: at(''), with_meta: true });
  assert.ok(entry.modified_ms > Date.now() - 60_000, String(entry.modified_ms));
});
