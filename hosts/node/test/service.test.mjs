// Service agents: each message is answered once, whatever happens to the process.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';

import { Mailbox, service } from '../dist/index.js';
import { folder, installed, mailbox, packageFolder, repository, until } from './support.mjs';

/** Two mailboxes beside each other: one that asks, one that serves. */
async function pair() {
  const root = folder();
  return { root, ada: await mailbox('ada', root), bob: await mailbox('bob', root) };
}

const answersOf = async (ada) => {
  const { messages } = await ada.inbox({ all: true });
  return messages.filter((row) => row.from === 'bob@localhost');
};

/** Serves until `isDone`, then stops and gives the report. */
async function serveUntil(bob, handler, options, isDone, what) {
  const stop = new AbortController();
  const served = service(bob, handler, { interval: 1, backoffMs: 1, ...options, signal: stop.signal });
  try {
    await Promise.race([served, until(isDone, what)]);
  } finally {
    stop.abort();
  }
  return served;
}

test('messages that were there and that come are answered, with files, side by side but no more than allowed', async () => {
  const { ada, bob } = await pair();
  for (let index = 0; index < 4; index += 1) await ada.send({ to: 'bob@localhost', subject: `${index}`, body: `${index}` });
  let [running, most] = [0, 0];
  const handler = async (message) => {
    running += 1;
    most = Math.max(most, running);
    // The first waits for the second: they must be worked on side by side.
    await until(() => most >= 2, 'two at once');
    await new Promise((resolve) => setTimeout(resolve, 30));
    running -= 1;
    if (message.subject === '3') return undefined;
    return { body: `answer ${message.text}`, attachments: [{ name: 'a.txt', bytes: Buffer.from(message.text) }] };
  };
  const report = await serveUntil(bob, handler, { concurrency: 2 }, async () => (await answersOf(ada)).length === 3 && running === 0, 'three answers');
  assert.equal(most, 2);
  const [first] = await answersOf(ada);
  const read = await ada.read(first.id);
  assert.match(read.text, /^answer \d/);
  assert.equal(fs.readFileSync(read.attachments[0].path, 'utf8'), read.text[7]);
  assert.equal(report.answered, 3);
  assert.equal((await bob.inbox({ offline: true, all: true, unread: true })).messages.length + report.answered + report.finished, 4);
});

test('a failure is tried again, and a message that always fails is put aside and hinders nobody', async () => {
  const { ada, bob, root } = await pair();
  for (const subject of ['poison', 'flaky', 'good']) await ada.send({ to: 'bob@localhost', subject, body: 'x' });
  const attempts = { poison: 0, flaky: 0, good: 0 };
  const handler = ({ subject }, { attempt }) => {
    attempts[subject] += 1;
    assert.equal(attempt, attempts[subject]);
    if (subject === 'poison' || (subject === 'flaky' && attempt < 3)) throw new Error(`no ${subject}`);
    return 'fine';
  };
  const aside = [];
  const options = { retries: 2, onPutAside: (_id, reason) => aside.push(reason) };
  const isDone = async () => aside.length === 1 && (await answersOf(ada)).length === 2;
  const report = await serveUntil(bob, handler, options, isDone, 'two answers and one put aside');
  assert.deepEqual(attempts, { poison: 3, flaky: 3, good: 1 });
  assert.deepEqual([aside, report.putAside], [['no poison'], 1]);
  const left = fs.readdirSync(path.join(root, '.azall-service/bob@localhost'));
  assert.deepEqual(left.map((name) => name.replace(/^[0-9a-f]+/, '')), ['.aside.json']);
  // The next run leaves it alone.
  await ada.send({ to: 'bob@localhost', subject: 'good', body: 'x' });
  attempts.good = 0;
  await serveUntil(bob, handler, options, async () => (await answersOf(ada)).length === 3, 'the third answer');
  assert.equal(attempts.poison, 3);
});

test('answers are not answered, and nobody else serves meanwhile', async () => {
  const { ada, bob } = await pair();
  const question = await ada.send({ to: 'bob@localhost', subject: 'q', body: 'x' });
  let handled = 0;
  const stop = new AbortController();
  const served = service(bob, () => { handled += 1; return 'a'; }, { interval: 1, signal: stop.signal });
  await until(async () => (await answersOf(ada)).length === 1, 'the answer');
  await assert.rejects(service(bob, () => 'b'), { code: 'locked' });
  const [answer] = await answersOf(ada);
  await ada.reply(answer.id, 'thanks');
  await until(async () => (await bob.inbox({ offline: true, unread: true })).messages.length === 0, 'it was looked at');
  stop.abort();
  const report = await served;
  assert.deepEqual([handled, report.answered], [1, 1]);
  assert.equal(question.folder, 'sent');
  await assert.rejects(service(bob, () => 'b', { name: '../x' }), { code: 'argument' });
  await assert.rejects(service(bob, () => 'b', { concurrency: 0 }), { code: 'argument' });
});

const worker = path.join(packageFolder, 'test/service-worker.mjs');

/** Runs the service in a process of its own that ends itself as `how` says. */
function work(config, how) {
  const child = spawn(process.execPath, [worker, config, how], { stdio: ['ignore', 'pipe', 'inherit'] });
  after(() => child.kill('SIGKILL'));
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)));
  const ready = new Promise((resolve) => child.stdout.once('data', resolve));
  return { child, ended, ready };
}

test('killed anywhere, it answers each message once', async () => {
  const { ada, bob } = await pair();
  const asked = 5;
  for (let index = 0; index < asked; index += 1) await ada.send({ to: 'bob@localhost', subject: `${index}`, body: 'x' });
  // In the handler, with the answer written down, and right after it was sent.
  for (const how of ['handler', 'replying', 'sent']) assert.equal(await work(bob.configFile, how).ended, 'SIGKILL', how);
  // And at moments of nobody's choosing.
  for (const ms of [150, 250, 350, 450]) {
    const { child, ended } = work(bob.configFile, 'live');
    setTimeout(() => child.kill('SIGKILL'), ms);
    await ended;
  }
  const { child, ended, ready } = work(bob.configFile, 'live');
  await ready;
  await until(async () => (await answersOf(ada)).length >= asked && (await bob.inbox({ offline: true, all: true, unread: true })).messages.length === 0, 'all answers');
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
  const subjects = (await answersOf(ada)).map(({ subject }) => subject).toSorted();
  assert.deepEqual(subjects, ['Re: 0', 'Re: 1', 'Re: 2', 'Re: 3', 'Re: 4']);
});

test('a message that ends the process each time is put aside', async () => {
  const { ada, bob, root } = await pair();
  await ada.send({ to: 'bob@localhost', subject: 'bomb', body: 'x' });
  for (let run = 0; run < 3; run += 1) assert.equal(await work(bob.configFile, 'handler').ended, 'SIGKILL');
  const { child, ended, ready } = work(bob.configFile, 'handler');
  await ready;
  const tickets = path.join(root, '.azall-service/bob@localhost');
  await until(() => fs.readdirSync(tickets).some((name) => name.endsWith('.aside.json')), 'it is put aside');
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
  assert.equal((await answersOf(ada)).length, 0);
});

test('a message that ends the process takes none with it that is worked on beside it', async () => {
  const { ada, bob, root } = await pair();
  for (const subject of ['bomb', 'innocent']) await ada.send({ to: 'bob@localhost', subject, body: 'x' });
  await bob.sync();
  assert.equal(await work(bob.configFile, 'both').ended, 'SIGKILL');
  // Now each by itself: it is the bomb twice.
  for (let run = 0; run < 2; run += 1) assert.equal(await work(bob.configFile, 'bomb').ended, 'SIGKILL');
  const { child, ended, ready } = work(bob.configFile, 'bomb');
  await ready;
  const tickets = path.join(root, '.azall-service/bob@localhost');
  await until(() => fs.readdirSync(tickets).some((name) => name.endsWith('.aside.json')), 'it is put aside');
  await until(async () => (await answersOf(ada)).length === 1, 'the other is answered');
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
  assert.deepEqual((await answersOf(ada)).map(({ subject }) => subject), ['Re: innocent']);
  assert.equal(fs.readdirSync(tickets).length, 1);
});

/** Where the tickets of bob's service lie, and one that an earlier run has left there. */
function ticket(root, content = {}) {
  const tickets = path.join(root, '.azall-service/bob@localhost');
  fs.mkdirSync(tickets, { recursive: true });
  if (content.id !== undefined) fs.writeFileSync(path.join(tickets, `${content.id}.json`), JSON.stringify(content));
  return tickets;
}

test('a message that an earlier run had taken and not read is answered once, though it is still listed as unread', async () => {
  const { ada, bob, root } = await pair();
  for (const subject of ['one', 'two', 'three']) await ada.send({ to: 'bob@localhost', subject, body: 'x' });
  for (const { id, day } of (await bob.inbox()).messages) ticket(root, { id, day, state: 'taken', attempts: 1 });
  const handled = [];
  let listed = false;
  // What is not read yet is listed before the first of them is read, and told after the last of them is done with.
  const { inbox, read } = Mailbox.prototype;
  bob.inbox = async (options) => {
    const listing = await inbox.call(bob, options);
    if (options.unread !== true) return listing;
    listed = listing.messages.length === 3;
    await until(() => fs.readdirSync(ticket(root)).every((name) => name.startsWith('lock-')), 'all are done with');
    await ada.send({ to: 'bob@localhost', subject: 'last', body: 'x' });
    return listing;
  };
  bob.read = async (...of) => {
    await until(() => listed, 'the unread messages are listed');
    return read.apply(bob, of);
  };
  const handler = ({ subject }) => {
    handled.push(subject);
    return 'answer';
  };
  await serveUntil(bob, handler, { concurrency: 3 }, () => handled.includes('last'), 'the last of all');
  assert.deepEqual(handled, [...new Set(handled)]);
  assert.equal(handled.length, 4);
});

test('being told to stop is no failure of a message', async () => {
  const { ada, bob, root } = await pair();
  await ada.send({ to: 'bob@localhost', subject: 'long', body: 'x' });
  const attempts = [];
  for (let run = 0; run < 3; run += 1) {
    const stop = new AbortController();
    const handler = async (_message, { attempt, signal }) => {
      attempts.push(attempt);
      setImmediate(() => stop.abort());
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    };
    const report = await service(bob, handler, { retries: 0, interval: 1, signal: stop.signal });
    assert.equal(report.putAside, 0);
  }
  assert.deepEqual(attempts, [1, 1, 1]);
  assert.equal(fs.readdirSync(ticket(root)).length, 1);
});

test('a lock counts for nothing when its process is gone, even if another one has got its number', async () => {
  const { ada, bob, root } = await pair();
  await ada.send({ to: 'bob@localhost', body: 'x' });
  const tickets = ticket(root);
  // As after a crash in a container, where every first process has the same number.
  fs.writeFileSync(path.join(tickets, 'lock-0123'), JSON.stringify({ pid: process.pid, started: 'another time' }));
  fs.writeFileSync(path.join(tickets, 'lock-4567'), 'damaged');
  const report = await serveUntil(bob, () => 'answer', {}, async () => (await answersOf(ada)).length === 1, 'the answer');
  assert.equal(report.answered, 1);
  assert.deepEqual(fs.readdirSync(tickets), []);
});

test('of many that want to serve at once no two do', async () => {
  const { bob } = await pair();
  const stop = new AbortController();
  const wanted = Array.from({ length: 5 }, () => service(bob, () => 'x', { interval: 1, signal: stop.signal }));
  const ended = Promise.allSettled(wanted);
  // Those that do not serve say so; then whoever serves is told to stop.
  let refused = 0;
  for (const each of wanted) {
    each.catch((error) => {
      assert.equal(error.code, 'locked');
      refused += 1;
    });
  }
  await until(() => refused >= 4, 'four are refused');
  stop.abort();
  assert.ok((await ended).filter(({ status }) => status === 'fulfilled').length <= 1);
});

test('where it cannot be told whether a message was answered, no answer is sent', async () => {
  const { ada, bob, root } = await pair();
  await ada.send({ to: 'bob@localhost', subject: 'asked', body: 'x' });
  const [{ id, day }] = (await bob.inbox()).messages;
  const reply = { body: 'again', attachments: [] };
  ticket(root, { id, day, state: 'replying', attempts: 1, reply });
  // A folder that cannot be listed, whoever asks.
  const sent = path.join(bob.folder, day, 'sent');
  fs.rmSync(sent, { recursive: true, force: true });
  fs.writeFileSync(sent, '');
  const reasons = [];
  const options = { retries: 1, onPutAside: (_id, reason) => reasons.push(reason) };
  await serveUntil(bob, () => 'never', options, () => reasons.length === 1, 'it is put aside');
  assert.match(reasons[0], /sent: a file stands where a folder must be$/);
  assert.equal((await answersOf(ada)).length, 0);
});

test('what it cannot write it says, with the path', async () => {
  const { bob, root } = await pair();
  fs.writeFileSync(path.join(root, '.azall-service'), '');
  await assert.rejects(service(bob, () => 'x'), { name: 'AzallError', code: 'file', message: /\.azall-service\/bob@localhost\/lock-/ });
});

test('the example counts words', async () => {
  const { answer } = await import(path.join(installed(path.join(repository, 'examples/node')), 'statistics.mjs'));
  const { ada, bob } = await pair();
  await ada.send({ to: 'bob@localhost', subject: 'count', body: 'to be or not to be', attachments: [{ name: 'poem.txt', bytes: Buffer.from('a rose is a rose') }] });
  await serveUntil(bob, answer, {}, async () => (await answersOf(ada)).length === 1, 'the statistics');
  const [row] = await answersOf(ada);
  const read = await ada.read(row.id);
  assert.match(read.text, /message: 1 lines, 6 words \(4 different\)/);
  const numbers = JSON.parse(fs.readFileSync(read.attachments[0].path, 'utf8'));
  assert.deepEqual(numbers['poem.txt'].frequent, { a: 2, rose: 2, is: 1 });
});

test('a mailbox can be opened anew while it is served', async () => {
  const { bob } = await pair();
  assert.equal((await Mailbox.open(bob.configFile)).address, 'bob@localhost');
});
