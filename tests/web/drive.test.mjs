// The drive loop that the documentation gives, over files in memory: answers come later, in any order.
import assert from 'node:assert/strict';
import test from 'node:test';

import { node, web } from './builds.mjs';
import { Files, drive } from './memory_host.mjs';

for (const [name, build] of [['node', node], ['web', web]]) {
  test(`an agent remembers, writes to itself and reads: ${name}`, async () => {
    const host = new Files();
    await host.run(build, { command: 'quickstart', arguments: { agent: 'ada@localhost' } });
    await host.run(build, { command: 'remember', arguments: { store: { text: 'OAuth2', title: 'api' } } });
    const { outcome: recalled } = await host.run(build, { command: 'recall', arguments: { query: 'oauth' } });
    assert.deepEqual(recalled.memories.map((memory) => [memory.title, memory.text]), [['api', 'OAuth2']]);
    const attachments = [{ name: 'a.bin', bytes: new Uint8Array([0, 255]) }];
    const letter = { to: ['ada@localhost'], subject: 'Hi', body: 'Text', attachments };
    const { outcome: sent } = await host.run(build, { command: 'send', arguments: letter });
    assert.equal(sent.recipients[0].state, 'accepted');
    const { outcome: inbox } = await host.run(build, { command: 'inbox' });
    assert.deepEqual(inbox.messages.map(({ id, subject }) => [id, subject]), [[sent.id, 'Hi']]);
    const { outcome: read } = await host.run(build, { command: 'read', arguments: { id: sent.id.slice(0, 6) } });
    assert.deepEqual([read.text, read.verdict, read.attachments.length], ['Text', 'valid', 1]);
    const { file } = await host.run(build, { command: 'export', arguments: { output: 'a.zip' } });
    assert.deepEqual([file.path, Buffer.from(file.bytes.subarray(0, 2)).toString()], ['a.zip', 'PK']);
  });

  test(`failures come out of the loop: ${name}`, async () => {
    const host = new Files();
    await assert.rejects(host.run(build, { command: 'read', arguments: { id: 'ffffff' } }), { name: 'AzallError', code: 'not-found' });
    host.answer = async () => ({ Ok: 7 });
    await assert.rejects(host.run(build, { command: 'inbox' }), { name: 'AzallError', code: 'resume' });
    host.answer = async () => ({ Err: { kind: 'permission_denied', message: 'no' } });
    await assert.rejects(host.run(build, { command: 'inbox' }), { name: 'AzallError', code: 'file' });
  });
}

test('an operation that is cancelled says so', async () => {
  const op = node.Op.open('config.json', '/a/config.json');
  const refused = { Err: { kind: 'other', message: '' } };
  const driven = drive(op, () => (op.cancel(), Promise.resolve(refused)), () => {});
  await assert.rejects(driven, { name: 'AzallError' });
});
