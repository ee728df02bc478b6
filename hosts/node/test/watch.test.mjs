// Messages as they arrive, over the native relay and from neighbours.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { watch } from '../dist/watch.js';
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

const never = new AbortController().signal;
const row = (id, day = '2026-03-11') => ({ id, day });

/** A mailbox of a test's own: its days with what lies under them, and its daemon. */
function scripted(days, daemon) {
  return {
    today: '2026-03-11',
    inbox({ date = this.today }) {
      return Promise.resolve({ date, messages: [...(days[date] ?? [])] });
    },
    run: (_command, options) => daemon(options),
  };
}

/** A daemon that says nothing until it is told to stop. */
const silent = ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve));

test('what another process has fetched is given too, though the own daemon tells nothing', async () => {
  const days = { '2026-03-11': [row('known')] };
  const iterator = watch(scripted(days, silent), never, { interval: 1 });
  const coming = iterator.next();
  setTimeout(() => days['2026-03-11'].push(row('fetched elsewhere')), 20);
  assert.equal((await coming).value.id, 'fetched elsewhere');
  await iterator.return();
});

test('a daemon that fails while a message is worked on ends the watch, not the process', async () => {
  const days = { '2026-03-11': [row('unread')] };
  const iterator = watch(scripted(days, () => Promise.reject(new Error('no config'))), never, { unread: true });
  assert.equal((await iterator.next()).value.id, 'unread');
  // Long enough for a rejection that nobody handles to be noticed.
  await new Promise((resolve) => setTimeout(resolve, 20));
  await assert.rejects(iterator.next(), { message: 'no config' });
});

test('at midnight nothing is left out and nothing given twice', async () => {
  const days = { '2026-03-11': [row('old')] };
  let ring;
  const own = scripted(days, (options) => {
    ring = options.onEvent;
    return silent(options);
  });
  const iterator = watch(own, never, {});
  const first = iterator.next();
  await new Promise((resolve) => setTimeout(resolve, 20));
  days['2026-03-11'].push(row('late'));
  days['2026-03-12'] = [row('early', '2026-03-12')];
  own.today = '2026-03-12';
  ring();
  assert.deepEqual([(await first).value.id, (await iterator.next()).value.id], ['late', 'early']);
  const rest = iterator.next();
  days['2026-03-12'].push(row('next', '2026-03-12'));
  ring();
  assert.equal((await rest).value.id, 'next');
  await iterator.return();
});

test('a signal ends it between two messages, and a mailbox that is closed while it looks ends it quietly', async () => {
  const stop = new AbortController();
  const both = watch(scripted({ '2026-03-11': [row('one'), row('two')] }, silent), never, { unread: true, signal: stop.signal });
  assert.equal((await both.next()).value.id, 'one');
  stop.abort();
  assert.equal((await both.next()).done, true);

  const closing = new AbortController();
  const closed = scripted({}, silent);
  closed.inbox = () => {
    closing.abort();
    return Promise.reject(new Error('the mailbox was closed'));
  };
  assert.equal((await watch(closed, closing.signal, {}).next()).done, true);
});
