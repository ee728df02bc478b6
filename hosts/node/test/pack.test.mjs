// The packed package, installed in an empty folder: it works, its types are found, and it is small.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';

import { folder, packageFolder } from './support.mjs';

function run(command, words, cwd) {
  const done = spawnSync(command, words, { cwd, encoding: 'utf8', env: { ...process.env, npm_config_update_notifier: 'false' } });
  assert.equal(done.status, 0, `${command} ${words.join(' ')}: ${done.stdout}${done.stderr}${done.error ?? ''}`);
  return done.stdout;
}

const CONSUMER = `
import { Mailbox, service, AzallError, type Command, type FilterState, type Message, type MessageRow, type Sent } from 'azall';
import { verify, signMessage, Identity, type Origin, type SignedHeaders, type TokenFacts, type Verified } from 'azall/protocol';
import { drive, EffectError, type Effect, type Entry, type Event, type Handlers, type Moment, type Place } from 'azall/drive';
import { service as same } from 'azall/service';

export type Named = [TokenFacts, Effect, Entry, Event, Moment, Place];

export async function use(): Promise<string> {
  const mailbox = await Mailbox.open('x', { create: { agent: 'x' } });
  for await (const row of mailbox.watch({ signal: AbortSignal.timeout(1) })) {
    const kept: MessageRow = row;
    const { text } = await mailbox.read(kept.id);
    return text;
  }
  // @ts-expect-error a message has a body
  await mailbox.send({ to: 'x' });
  // @ts-expect-error there is no such option
  await mailbox.inbox({ everything: true });
  const waiting: number = (await mailbox.run({ command: 'status' })).outcome.waiting;
  // @ts-expect-error there is no such command
  await mailbox.run({ command: 'rememebr' });
  const [recipient] = (await mailbox.send({ to: ['x'], body: 'x', attachments: ['file'] })).recipients;
  const reason: string | undefined = recipient?.state === 'queued' ? recipient.reason : undefined;
  const command: Command = { command: 'held', arguments: { release: '0' } };
  const documents: [Sent, Message, FilterState] = [await mailbox.reply('0', 'x'), await mailbox.read('0'), await mailbox.filter.mode('off')];
  // @ts-expect-error the native core has nothing of this
  Identity.generate().free();
  const stop: typeof service = same;
  await stop(mailbox, (message) => message.text, { concurrency: 2 });
  const handlers: Partial<Handlers> = { Random: ({ count }) => new Uint8Array(count) };
  const headers: SignedHeaders = { from: 'a@x', to: ['b@x'], date: '2026-01-01 00:00:00', message_id: '0123456789ab' };
  void [handlers, drive, AzallError, EffectError, signMessage(Identity.generate(), headers, 'x'), waiting, reason, command, documents];
  const verified: Verified = verify(new Uint8Array());
  const verdict: Origin = verified.verdict;
  return verdict;
}
`;

/** The package, packed and installed in an empty folder. */
const empty = folder();
let packed;

before(() => {
  const into = folder();
  [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', into], packageFolder));
  run('npm', ['init', '-y'], empty);
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', path.join(into, packed.filename)], empty);
});

test('the tarball is small, has all that it needs and nothing else', () => {
  assert.ok(packed.size < 6_000_000, `${packed.size} bytes`);
  const names = packed.files.map(({ path: name }) => name);
  for (const needed of ['bin/azall.js', 'dist/index.js', 'dist/index.d.ts', 'types/core.d.ts', 'README.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'package.json']) {
    assert.ok(names.includes(needed), needed);
  }
  assert.ok(names.some((name) => /^native\/azall\..*\.node$/.test(name) || name === 'wasm/azall.js'), 'a core');
  assert.ok(!names.some((name) => /^(test|src|scripts)\//.test(name)), names.join());
});

test('what was installed works', () => {
  assert.match(run('npx', ['--no-install', 'azall', '--version'], empty), /^azall \d/);
  run('npx', ['--no-install', 'azall', 'quickstart', '--agent', 'ada'], empty);
  fs.writeFileSync(path.join(empty, 'use.mjs'), "import { Mailbox } from 'azall';\nconsole.log((await Mailbox.open('.')).address);\n");
  assert.equal(run(process.execPath, ['use.mjs'], empty), 'ada@localhost\n');
});

test('the types are found by whoever has installed it', () => {
  const types = path.join(empty, 'node_modules/@types');
  fs.mkdirSync(types, { recursive: true });
  fs.symlinkSync(path.join(packageFolder, 'node_modules/@types/node'), path.join(types, 'node'));
  fs.writeFileSync(path.join(empty, 'use.mts'), CONSUMER);
  const tsc = path.join(packageFolder, 'node_modules/typescript/bin/tsc');
  for (const [module, resolution] of [['Node16', 'Node16'], ['NodeNext', 'NodeNext'], ['ESNext', 'Bundler']]) {
    const flags = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'ES2022', '--lib', 'ES2023', '--types', 'node'];
    run(process.execPath, [tsc, ...flags, '--module', module, '--moduleResolution', resolution, 'use.mts'], empty);
  }
});
