// The drive loop over a core that is a test's own, and the list of effects.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { drive, EffectError } from '../dist/drive.js';
import { nodeHandlers } from '../dist/host.js';
import { effectKinds } from '../dist/index.js';
import { Roots } from '../dist/roots.js';

/** A core that hands out these steps; after a `wait` it goes on once something has happened. */
class Script {
  answers = [];
  cancelled = 0;
  polls = [];
  constructor(steps) {
    this.steps = steps;
  }
  poll(now) {
    this.polls.push(now);
    const next = typeof this.steps === 'function' ? this.steps(this) : this.steps.shift();
    if (next instanceof Error) throw next;
    return next;
  }
  resume(id, answer) {
    this.answers.push([id, answer]);
  }
  cancel() {
    this.cancelled += 1;
  }
}

const effect = (id, kind, fields = {}) => ({ step: 'effect', id, effect: { kind, ...fields } });
const wait = (until = null) => ({ step: 'wait', until });
const done = { step: 'done', outcome: 7, exit_code: 0, file: null };

test('every kind of effect that the core knows has a handler here, and there is none for what it does not know', () => {
  assert.deepEqual(Object.keys(nodeHandlers(new Roots('/c', '/c/m'))).toSorted(), effectKinds().toSorted());
});

test('effects in flight are answered in the order in which they are done', async () => {
  const finish = {};
  const handlers = { Slow: () => new Promise((resolve) => (finish.slow = resolve)), Quick: () => 'quick' };
  const op = new Script((self) => {
    if (self.polls.length === 1) return effect(1, 'Slow');
    if (self.polls.length === 2) return effect(2, 'Quick');
    if (self.answers.length === 1) finish.slow('slow');
    return self.answers.length === 2 ? done : wait();
  });
  assert.deepEqual(await drive(op, handlers), done);
  assert.deepEqual(op.answers, [[2, { Ok: 'quick' }], [1, { Ok: 'slow' }]]);
});

test('failures of handlers are answers', async () => {
  const handlers = {
    Told: () => { throw new EffectError('storage_full', 'no room'); },
    Broken: async () => { throw new TypeError('a fault'); },
    Odd: () => { throw 'text'; },
  };
  const kinds = ['Told', 'Broken', 'Odd', 'Unknown', 'toString', '__proto__'];
  const op = new Script((self) => {
    if (self.polls.length <= kinds.length) return effect(self.polls.length, kinds[self.polls.length - 1]);
    return self.answers.length === kinds.length ? done : wait();
  });
  await drive(op, handlers);
  const answers = Object.fromEntries(op.answers.map(([id, { Err }]) => [kinds[id - 1], Err.kind]));
  assert.deepEqual({ ...answers }, { Told: 'storage_full', Broken: 'other', Odd: 'other', Unknown: 'unsupported', toString: 'unsupported', ['__proto__']: 'unsupported' });
});

test('deadlines wake the operation, and events are told', async () => {
  const told = [];
  const clock = { unix_ms: 1_000, offset_seconds: 3_600 };
  const op = new Script([{ step: 'event', level: 'info', text: 'hello' }, wait(1_005), done]);
  await drive(op, {}, { onEvent: (event) => told.push(event), now: () => clock });
  assert.deepEqual(told, [{ level: 'info', text: 'hello' }]);
  assert.deepEqual(op.polls, [clock, clock, clock]);
});

test('a signal cancels the operation once, wherever it stands', async () => {
  const stop = new AbortController();
  const op = new Script((self) => {
    if (self.cancelled > 0) return done;
    setImmediate(() => stop.abort());
    return wait();
  });
  await drive(op, {}, { signal: stop.signal });
  assert.equal(op.cancelled, 1);
  const again = new Script([done]);
  await drive(again, {}, { signal: stop.signal });
  assert.equal(again.cancelled, 1);
});

test('once it is told to stop, requests are given up after the grace, but files are not', async () => {
  const stop = new AbortController();
  let abandoned;
  const finish = {};
  const handlers = {
    Http: (_, signal) => new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => { abandoned = true; reject(new Error('over')); });
    }),
    WriteAtomic: () => new Promise((resolve) => (finish.write = resolve)),
  };
  const op = new Script((self) => {
    if (self.polls.length === 1) return effect(1, 'Http');
    if (self.polls.length === 2) return effect(2, 'WriteAtomic');
    if (self.cancelled === 0) setImmediate(() => stop.abort());
    if (self.answers.length === 1) finish.write(null);
    return self.answers.length === 2 ? done : wait();
  });
  await drive(op, handlers, { signal: stop.signal, graceMs: 20 });
  assert.deepEqual(op.answers.map(([id, answer]) => [id, answer.Err?.kind ?? answer.Ok]), [[1, 'timed_out'], [2, null]]);
  assert.equal(abandoned, true);
});

test('an owner that fails when it is told something stops the operation at a safe point, and is told in the end', async () => {
  const reason = new Error('a fault of the owner');
  const onEvent = () => {
    throw reason;
  };
  const event = { step: 'event', level: 'info', text: 'hello' };
  const op = new Script((self) => {
    if (self.polls.length < 3) return event;
    return self.cancelled === 0 ? wait() : done;
  });
  await assert.rejects(drive(op, {}, { onEvent }), reason);
  assert.equal(op.cancelled, 1);
  // What the operation says of being told to stop is not why it ended.
  const cancelled = Object.assign(new Error('told to stop'), { name: 'AzallError', code: 'cancelled' });
  const failing = new Script((self) => (self.polls.length < 2 ? event : self.cancelled === 0 ? wait() : cancelled));
  await assert.rejects(drive(failing, {}, { onEvent }), reason);
});

test('no more than sixteen requests are under way', async () => {
  let running = 0;
  let most = 0;
  const handlers = {
    Http: async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return 'answered';
    },
  };
  const op = new Script((self) => {
    if (self.polls.length <= 40) return effect(self.polls.length, 'Http');
    return self.answers.length === 40 ? done : wait();
  });
  await drive(op, handlers);
  assert.equal(most, 16);
});

test('what the core throws is thrown, with its code', async () => {
  const thrown = Object.assign(new Error('no'), { name: 'AzallError', code: 'config', exitCode: 3 });
  await assert.rejects(drive(new Script([thrown]), {}), { name: 'AzallError', code: 'config', exitCode: 3, message: 'no' });
});
