// AbortSignal, everywhere.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, test } from 'node:test';

import { Mailbox } from '../dist/index.js';
import { mailbox } from './support.mjs';

test('a signal that is aborted already stops every call before it begins', async () => {
  const ada = await mailbox();
  const signal = AbortSignal.abort(new Error('enough'));
  const calls = [
    Mailbox.open(ada.configFile, { signal }),
    ada.send({ to: 'ada@localhost', body: 'x' }, { signal }),
    ada.reply('000000000000', 'x', { signal }),
    ada.send({ to: 'ada@localhost', body: 'x', attachments: ['/no/such'] }, { signal }),
    ada.reply('000000000000', { body: 'x', attachments: ['/no/such'] }, { signal }),
    ada.inbox({ signal }),
    ada.read('000000000000', { signal }),
    ada.search('x', { signal }),
    ada.remember('x', { signal }),
    ada.recall('x', { signal }),
    ada.whoami(undefined, { signal }),
    ada.doing(undefined, { signal }),
    ada.note('x', undefined, { signal }),
    ada.sync({ signal }),
    ada.export('/nowhere/x.zip', { signal }),
    ada.filter.state({ signal }),
    ada.keyring.list({ signal }),
    ada.trust.status({ signal }),
    ada.trust.makeToken({ signal }),
  ];
  for (const call of calls) await assert.rejects(call, { message: 'enough' });
  for await (const row of ada.watch({ signal })) assert.fail(`nothing comes: ${row.id}`);
  assert.equal((await ada.inbox()).messages.length, 0);
});

test('a call that waits for a relay is stopped by its signal', async () => {
  const asked = {};
  asked.promise = new Promise((resolve) => (asked.resolve = resolve));
  // It never answers.
  const silent = http.createServer(() => asked.resolve());
  await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
  after(() => silent.closeAllConnections());
  after(() => silent.close());
  const ada = await mailbox('ada', undefined, { graceMs: 50 });
  const server = `http://127.0.0.1:${silent.address().port}`;
  await ada.run({ command: 'relay', arguments: { add: { server, token: 'secret-token', address: 'ada@relay.example' } } });
  const stop = new AbortController();
  const call = ada.sync({ signal: stop.signal });
  await asked.promise;
  stop.abort(new Error('no more'));
  await assert.rejects(call, { message: 'no more' });
});

test('the reason reaches whoever waits, and nothing is left behind', async () => {
  const ada = await mailbox();
  const stop = new AbortController();
  const call = ada.run({ command: 'daemon', arguments: {} }, { signal: stop.signal });
  stop.abort();
  const ended = await call.then((done) => done.step, (error) => error.name);
  assert.ok(['done', 'AbortError'].includes(ended), ended);
  assert.equal((await ada.send({ to: 'ada@localhost', body: 'still here' })).folder, 'sent');
});
