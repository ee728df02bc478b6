// The API over files on this machine.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { AzallError, Mailbox, coreKind } from '../dist/index.js';
import { folder, mailbox, native, azall } from './support.mjs';
import { spawnSync } from 'node:child_process';

test('the core is the one that was asked for', () => {
  if (process.env.AZALL_CORE) assert.equal(coreKind, process.env.AZALL_CORE);
});

test('a message is sent, listed, read, answered and found', async () => {
  const root = folder();
  const [ada, bob] = [await mailbox('ada', root), await mailbox('bob', root)];
  const sent = await ada.send({ to: 'bob@localhost', subject: 'plan', body: 'the plan\nis good' });
  assert.deepEqual(sent.recipients.map(({ address, state }) => [address, state]), [['bob@localhost', 'accepted']]);
  assert.equal(sent.folder, 'sent');
  const { messages, unread } = await bob.inbox();
  assert.equal(unread, 1);
  assert.equal(messages[0].verdict, 'valid');
  const message = await bob.read(messages[0].id.slice(0, 8));
  assert.equal(message.text, 'the plan\nis good');
  assert.equal((await bob.inbox({ offline: true, unread: true })).messages.length, 0);
  await bob.reply(message.id, 'fine');
  const answer = (await ada.inbox()).messages.find((row) => row.from === 'bob@localhost');
  assert.match((await ada.read(answer.id)).text, /^fine/);
  assert.equal((await ada.search('plan')).matches.length > 0, true);
});

test('attachments go along, from paths and from memory', async () => {
  const root = folder();
  const [ada, bob] = [await mailbox('ada', root), await mailbox('bob', root)];
  const file = path.join(root, 'data.bin');
  const bytes = new Uint8Array(70_000).map((_, index) => (index * 7) % 251);
  fs.writeFileSync(file, bytes);
  await ada.send({ to: ['bob@localhost'], body: 'see', attachments: [file, { name: 'note.txt', bytes: Buffer.from('hello') }] });
  const { attachments } = await bob.read((await bob.inbox()).messages[0].id);
  assert.deepEqual(attachments.map(({ name }) => name), ['data.bin', 'note.txt']);
  assert.deepEqual(new Uint8Array(fs.readFileSync(attachments[0].path)), bytes);
  assert.equal(fs.readFileSync(attachments[1].path, 'utf8'), 'hello');
  await assert.rejects(ada.send({ to: 'bob@localhost', body: '', attachments: ['/no/such'] }), { code: 'file' });
  // It has no end.
  await assert.rejects(ada.send({ to: 'bob@localhost', body: '', attachments: ['/dev/zero'] }), { code: 'file', message: /more than 67108864 bytes/ });
});

test('memories, notes and the agent itself', async () => {
  const ada = await mailbox();
  assert.equal((await ada.remember('OAuth2 with refresh tokens', { title: 'api' })).title, 'api');
  assert.deepEqual((await ada.recall('oauth2')).memories.map(({ text }) => text), ['OAuth2 with refresh tokens']);
  assert.match((await ada.recall()).index, /api/);
  await ada.whoami('I am Ada.');
  assert.equal(await ada.whoami(), 'I am Ada.');
  await ada.doing('first');
  await ada.doing({ append: 'second' });
  assert.equal(await ada.doing(), 'first\nsecond');
  await ada.note('list', 'milk');
  assert.equal(await ada.note('list', { append: 'bread' }), 'milk\nbread');
  assert.equal(await ada.note('list'), 'milk\nbread');
});

test('filter, keyring and trust', async () => {
  const root = folder();
  const [ada, bob] = [await mailbox('ada', root), await mailbox('bob', root)];
  await ada.filter.mode('whitelist');
  assert.deepEqual((await ada.filter.allow('carol@*')).whitelist, ['carol@*']);
  assert.deepEqual((await ada.filter.disallow('carol@*')).whitelist, []);
  await ada.filter.block('eve@*');
  assert.deepEqual((await ada.filter.unblock('eve@*')).blacklist, []);
  await ada.filter.mode('blacklist');
  await bob.send({ to: 'ada@localhost', body: 'x' });
  await ada.inbox();
  const key = (await ada.keyring.list()).find(({ addresses }) => addresses.includes('bob@localhost'));
  await ada.keyring.trust(key.fingerprint);
  assert.equal((await ada.keyring.show(key.fingerprint)).trusted, true);
  await ada.keyring.forget(key.fingerprint);
  await assert.rejects(ada.keyring.show(key.fingerprint), { name: 'AzallError', code: 'not-found', exitCode: 1 });

  const { token, armor } = await ada.trust.makeToken();
  assert.equal((await ada.trust.verify(armor)).agent, 'ada@localhost');
  // The native program is another host on the same machine: its facts must be the same, or it would refuse the token.
  const checked = spawnSync(native(), ['-c', ada.configFile, 'trust-verify', '--token', token], { encoding: 'utf8' });
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  assert.equal((await ada.trust.bind('owner@localhost', token)).owner, 'owner@localhost');
  assert.equal((await ada.trust.status()).machine_matches, true);
  await assert.rejects(ada.trust.bind('owner@localhost', token), { code: 'trust', exitCode: 3 });
  await ada.trust.revoke();
  assert.equal((await ada.trust.bindLocally('other@localhost')).owner, 'other@localhost');
});

test('the state is exported for its owner alone and imported elsewhere', async () => {
  const ada = await mailbox();
  await ada.remember('kept', { title: 'kept' });
  const file = path.join(folder(), 'ada.zip');
  const exported = await ada.export(file);
  assert.equal(exported.bytes, fs.statSync(file).size);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  await ada.export(file);
  const elsewhere = folder();
  assert.equal(azall(['import', file], elsewhere).status, 0);
  const again = await Mailbox.open(elsewhere);
  assert.equal((await again.recall('kept')).memories.length, 1);
  fs.writeFileSync(file, 'dear diary');
  await assert.rejects(ada.export(file), { code: 'file', message: /no ZIP file/ });
});

test('a mailbox is made where there is none', async () => {
  const root = folder();
  const first = await Mailbox.open(root);
  assert.match(first.address, /^agent-[0-9a-f]{8}@localhost$/);
  assert.deepEqual(first.relayAddresses, []);
  assert.equal((await Mailbox.open(root)).address, first.address);
});

test('failures tell their kind', async () => {
  const root = folder();
  fs.writeFileSync(path.join(root, 'broken.json'), '{');
  await assert.rejects(Mailbox.open(path.join(root, 'broken.json')), { name: 'AzallError', code: 'config' });
  const ada = await mailbox('ada', root);
  await assert.rejects(ada.read('ffffffffffff'), (error) => error instanceof AzallError && error.code === 'not-found');
  await assert.rejects(ada.send({ to: '../x', body: '' }), { code: 'argument', exitCode: 2 });
  await assert.rejects(ada.run({ command: 'rememebr' }), { code: 'argument', message: /rememebr/ });
  await assert.rejects(ada.inbox({ date: 'tomorrow' }), { code: 'argument', message: /tomorrow/ });
  fs.writeFileSync(ada.configFile, 'no config');
  await assert.rejects(ada.inbox(), (error) => error.code === 'config' && error.message.includes(ada.configFile));
});

test('calls side by side do not hinder each other', async () => {
  const root = folder();
  const [ada, bob] = [await mailbox('ada', root), await mailbox('bob', root)];
  const sends = Array.from({ length: 20 }, (_, index) => ada.send({ to: 'bob@localhost', subject: `${index}`, body: 'x' }));
  for (const sent of await Promise.all(sends)) assert.equal(sent.folder, 'sent');
  await Promise.all(Array.from({ length: 20 }, (_, index) => ada.remember(`number ${index}`, { title: `title ${index}` })));
  assert.equal((await bob.inbox()).messages.length, 20);
  assert.equal((await ada.recall('number')).memories.length, 20);
});

test('another agent of the same config', async () => {
  const root = folder();
  const ada = await mailbox('ada', root);
  await assert.rejects(Mailbox.open(ada.configFile, { agent: 'no address' }), AzallError);
  const closed = await mailbox('eve', root);
  closed.close();
  await assert.rejects(closed.inbox(), { code: 'cancelled' });
});
