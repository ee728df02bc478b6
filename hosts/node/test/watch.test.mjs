// Messages as they arrive, over the native relay and from neighbours.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { folder, mailbox, registered, relay } from './support.mjs';

test('a message over a relay arrives, once, and the loop can be left', async () => {
  const server = await relay();
  const [ada, bob] = [await registered('ada', server), await registered('bob', server)];
  const got = [];
  const watching = (async () => {
    for await (const row of bob.watch({ interval: 1 })) {
      got.push(row.subject);
      if (got.length === 3) break;
    }
  })();
  for (const subject of ['one', 'two', 'three']) {
    const sent = await ada.send({ to: bob.address, subject, body: subject });
    assert.equal(sent.recipients[0].state, 'accepted', JSON.stringify(sent));
  }
  await watching;
  assert.deepEqual(got.toSorted(), ['one', 'three', 'two']);
  const listed = (await bob.inbox({ offline: true })).messages;
  assert.equal(listed.length, 3);
  for (const row of listed) assert.equal(row.verdict, 'valid');
});

test('what was not read yet comes first, then what neighbours drop, until the signal', async () => {
  const root = folder();
  const [ada, bob] = [await mailbox('ada', root), await mailbox('bob', root)];
  await ada.send({ to: 'bob@localhost', subject: 'before', body: 'x' });
  await bob.sync();
  const stop = new AbortController();
  const got = [];
  const iterator = bob.watch({ signal: stop.signal, unread: true, interval: 1 });
  got.push((await iterator.next()).value.subject);
  await ada.send({ to: 'bob@localhost', subject: 'after', body: 'x' });
  got.push((await iterator.next()).value.subject);
  assert.deepEqual(got, ['before', 'after']);
  const rest = iterator.next();
  stop.abort();
  assert.deepEqual(await rest, { value: undefined, done: true });
});

test('closing the mailbox ends its watches', async () => {
  const ada = await mailbox();
  const rest = ada.watch().next();
  ada.close();
  assert.equal((await rest).done, true);
});
