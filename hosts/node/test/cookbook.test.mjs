// Every program of the cookbook is run, as whoever installs the package would run it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, test } from 'node:test';

import { folder, installed, mailbox, repository, until } from './support.mjs';

const cookbook = path.join(repository, 'docs/cookbook/node');
const programs = installed(cookbook);
const ran = new Set();

/** Starts a program: what it prints, and how it ends. */
function start(name, ...words) {
  ran.add(name);
  const child = spawn(process.execPath, [path.join(programs, name), ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const run = { child, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (run.stdout += chunk));
  child.stderr.on('data', (chunk) => (run.stderr += chunk));
  run.ended = new Promise((resolve) => child.once('close', resolve));
  return run;
}

async function output(name, ...words) {
  const run = start(name, ...words);
  assert.equal(await run.ended, 0, `${name}: ${run.stderr}`);
  return run.stdout;
}

async function pair() {
  const root = folder();
  return { root, ada: await mailbox('ada', root), bob: await mailbox('bob', root) };
}

test('send and wait, and a service agent that answers', async () => {
  const { ada, bob } = await pair();
  const served = start('service-agent.mjs', bob.configFile);
  assert.equal(await output('send-and-wait.mjs', ada.configFile, 'bob@localhost', 'hello'), 'bob@localhost (valid): HELLO\n');
  served.child.kill('SIGTERM');
  assert.equal(await served.ended, 0, served.stderr);
  assert.equal(JSON.parse(served.stdout).answered, 1);
});

test('a memory in a loop with a model', async () => {
  const { ada } = await pair();
  const said = (await output('memory-loop.mjs', ada.configFile)).split('\n');
  assert.match(said[5], /^I know: the key rotates on Monday$/);
  assert.match(said[7], /^I do not know\.$/);
});

test('a message file is verified, and what was changed is not valid', async () => {
  const { ada } = await pair();
  const { path: file } = await ada.send({ to: 'bob@localhost', subject: 'signed', body: 'text' });
  assert.match(await output('verify-file.mjs', file), /: valid by [0-9a-f]{16}\n {2}ada@localhost: signed\n$/);
  const changed = path.join(folder(), 'changed.txt');
  fs.writeFileSync(changed, fs.readFileSync(file, 'utf8').replace('text', 'test'));
  const run = start('verify-file.mjs', changed);
  assert.equal(await run.ended, 1);
  assert.match(run.stdout, /: invalid by /);
});

test('a whitelist', async () => {
  const { ada, bob } = await pair();
  assert.equal(await output('whitelist.mjs', bob.configFile, 'carol@*', '*@example.org'), 'whitelist: carol@*, *@example.org\n');
  await ada.send({ to: 'bob@localhost', body: 'x' });
  assert.equal((await bob.inbox()).messages.length, 0);
});

test('attachments', async () => {
  const { ada, bob, root } = await pair();
  const file = path.join(root, 'report.txt');
  fs.writeFileSync(file, 'a report');
  await output('attachments.mjs', ada.configFile, 'bob@localhost', file);
  const said = await output('attachments.mjs', bob.configFile, 'ada@localhost', file);
  assert.match(said, /ada@localhost sent report\.txt, 8 bytes\nada@localhost sent source\.json, 16 bytes\n$/);
});

test('watching', async () => {
  const { ada, bob } = await pair();
  await ada.send({ to: 'bob@localhost', subject: 'first', body: 'x' });
  await bob.sync();
  const watching = start('watch.mjs', bob.configFile, '2');
  await until(() => watching.stdout.includes('first'), 'the first is told');
  await ada.send({ to: 'bob@localhost', subject: 'second', body: 'x' });
  assert.equal(await watching.ended, 0, watching.stderr);
  assert.equal(watching.stdout, 'ada@localhost: first (valid)\nada@localhost: second (valid)\n');
});

test('several mailboxes', async () => {
  assert.equal(await output('several-mailboxes.mjs', folder()), 'coder@localhost: Re: Plan\ntester@localhost: Re: Plan\n');
});

test('an export', async () => {
  const { ada } = await pair();
  const archive = path.join(folder(), 'backup.zip');
  assert.match(await output('export.mjs', ada.configFile, archive), /backup\.zip: \d+ files, \d+ bytes\n$/);
  assert.equal(fs.readFileSync(archive).subarray(0, 2).toString(), 'PK');
});

test('giving up, and not having to', async () => {
  const silent = http.createServer(() => {});
  await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
  after(() => silent.close());
  after(() => silent.closeAllConnections());
  const { ada } = await pair();
  assert.equal(await output('abort.mjs', ada.configFile, '60000'), 'in time: 0 received\n');
  const server = `http://127.0.0.1:${silent.address().port}`;
  await ada.run({ command: 'relay', arguments: { add: { server, token: 'secret-token', address: 'ada@relay.example' } } });
  assert.match(await output('abort.mjs', ada.configFile, '300'), /^TimeoutError: the relays were too slow\n$/);
});

test('no program of the cookbook is left out', () => {
  assert.deepEqual([...ran].toSorted(), fs.readdirSync(cookbook).filter((name) => name.endsWith('.mjs')).toSorted());
});
