// The packed package, installed in an empty folder: it works, its types are found, and it is small.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { folder, packageFolder } from './support.mjs';

function run(command, words, cwd) {
  const done = spawnSync(command, words, { cwd, encoding: 'utf8', env: { ...process.env, npm_config_update_notifier: 'false' } });
  assert.equal(done.status, 0, `${command} ${words.join(' ')}: ${done.stdout}${done.stderr}${done.error ?? ''}`);
  return done.stdout;
}

const CONSUMER = `
import { Mailbox, service, AzallError, type MessageRow } from 'azall';
import { verify, Identity } from 'azall/protocol';
import { drive, type Handlers } from 'azall/drive';
import { service as same } from 'azall/service';

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
  const stop: typeof service = same;
  await stop(mailbox, (message) => message.text, { concurrency: 2 });
  const handlers: Partial<Handlers> = { Random: ({ count }) => new Uint8Array(count) };
  void [handlers, drive, AzallError, Identity.generate()];
  return verify(new Uint8Array()).verdict;
}
`;

test('npm install of the tarball', () => {
  const [packed, empty] = [folder(), folder()];
  const [{ filename, size, files }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', packed], packageFolder));
  assert.ok(size < 6_000_000, `${size} bytes`);
  const names = files.map(({ path: name }) => name);
  for (const needed of ['bin/azall.js', 'dist/index.js', 'dist/index.d.ts', 'README.md', 'package.json']) assert.ok(names.includes(needed), needed);
  assert.ok(names.some((name) => /^native\/azall\..*\.node$/.test(name) || name === 'wasm/azall.js'), 'a core');
  assert.ok(!names.some((name) => name.startsWith('test/') || name.startsWith('src/')), names.join());

  run('npm', ['init', '-y'], empty);
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', path.join(packed, filename)], empty);
  assert.match(run('npx', ['--no-install', 'azall', '--version'], empty), /^azall \d/);
  run('npx', ['--no-install', 'azall', 'quickstart', '--agent', 'ada'], empty);
  fs.writeFileSync(path.join(empty, 'use.mjs'), "import { Mailbox } from 'azall';\nconsole.log((await Mailbox.open('.')).address);\n");
  assert.equal(run(process.execPath, ['use.mjs'], empty), 'ada@localhost\n');
});

test('the types are found by whoever uses the package', () => {
  const consumer = folder();
  fs.mkdirSync(path.join(consumer, 'node_modules/@types'), { recursive: true });
  fs.symlinkSync(packageFolder, path.join(consumer, 'node_modules/azall'));
  fs.symlinkSync(path.join(packageFolder, 'node_modules/@types/node'), path.join(consumer, 'node_modules/@types/node'));
  fs.writeFileSync(path.join(consumer, 'use.ts'), CONSUMER);
  fs.writeFileSync(path.join(consumer, 'package.json'), '{"type": "module"}');
  const tsc = path.join(packageFolder, 'node_modules/typescript/bin/tsc');
  for (const [module, resolution] of [['NodeNext', 'NodeNext'], ['ESNext', 'Bundler']]) {
    const flags = ['--noEmit', '--strict', '--target', 'ES2022', '--lib', 'ES2023', '--types', 'node', '--module', module, '--moduleResolution', resolution];
    run(process.execPath, [tsc, ...flags, 'use.ts'], consumer);
  }
});
