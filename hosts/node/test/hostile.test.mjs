// Whatever is given to the core: it is answered or refused, and the process lives.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { core } from '../dist/core.js';
import * as protocol from '../dist/protocol.js';

const circle = {};
circle.self = circle;
let deep = 'x';
for (let level = 0; level < 10_000; level += 1) deep = [deep];

const STRANGE = [
  undefined, null, true, 0, -1, 1.5, NaN, Infinity, 2 ** 53, 10n, 2n ** 70n, '', 'text', '\ud800', 'a\0b', Symbol('s'), () => 1, [], [undefined], {}, circle, deep,
  new Uint8Array(), new Uint8Array([255, 0]), new Float64Array(2), new ArrayBuffer(3), new Map([['a', 1]]), new Date(0), Promise.resolve(1),
  Object.create({ inherited: 1 }), Object.create(null), new Proxy({}, { ownKeys: () => { throw new RangeError('trap'); } }),
  { get field() { throw new RangeError('getter'); } }, JSON.parse('{"__proto__": {"polluted": true}}'), new Array(4_000_000_000),
];

const FUNCTIONS = [
  'parseMessage', 'formatMessage', 'newMessageId', 'sanitizeName', 'verify', 'verifyBody', 'filterAccepts', 'fingerprintOf', 'machineFingerprint',
  'makeTrustToken', 'checkTrustToken', 'ownerSign', 'ownerVerify', 'dayIndex', 'memoryIndex', 'scriptDescription', 'eventLine', 'failedEnding',
];

/** A call gives something or throws an error of the core's, of JavaScript's own, or of whoever made the argument. */
function survives(call) {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof Error, String(error));
    if (error.name === 'AzallError') assert.deepEqual([typeof error.code, typeof error.exitCode], ['string', 'number']);
  }
}

test('every function takes or refuses whatever it is given', () => {
  for (const name of FUNCTIONS) {
    for (const value of STRANGE) {
      survives(() => core[name](value));
      survives(() => core[name](value, value, value, value, value));
      survives(() => core[name]('text', value, value));
    }
  }
});

test('classes and operations too', () => {
  const config = (() => {
    const op = core.Op.open('config.json', '/c/config.json', 'ada@localhost');
    for (;;) {
      const step = op.poll({ unix_ms: 0, offset_seconds: 0 });
      if (step.step === 'opened') return op.takeConfig();
      if (step.step === 'effect') op.resume(step.id, step.effect.kind === 'Random' ? { Ok: new Uint8Array(step.effect.count) } : { Err: { kind: 'not_found', message: '' } });
    }
  })();
  for (const value of STRANGE) {
    for (const made of [core.Identity.fromSeed, core.Identity.parse, core.Keyring.parse, core.CommandLine.parse]) survives(() => made(value));
    survives(() => new core.Op(value, config));
    survives(() => new core.Op({ command: 'whoami', arguments: value }, config));
    survives(() => new core.Op({ command: 'whoami' }, value));
    survives(() => core.Op.open(value, value, value));
    survives(() => core.SeenIds.parse(value, 4));
    survives(() => new core.SeenIds(value));
    survives(() => core.signBody(value, 'x'));
    survives(() => new core.Keyring().observe(value, value, value, value));
    const op = new core.Op({ command: 'whoami' }, config);
    survives(() => op.poll(value));
    survives(() => op.resume(value, value));
    const step = op.poll({ unix_ms: 0, offset_seconds: 0 });
    assert.equal(step.step, 'effect');
    assert.throws(() => op.resume(step.id, { Ok: { size: 3 } }), { name: 'AzallError', code: 'resume' });
    assert.throws(() => op.resume(step.id + 1, { Ok: null }), { name: 'AzallError', code: 'resume' });
    assert.throws(() => op.takeConfig(), { name: 'AzallError', code: 'argument' });
    assert.throws(() => op.ending(true, false), { name: 'AzallError' });
    op.cancel();
  }
  assert.equal({}.polluted, undefined);
});

test('an object of another class is refused', () => {
  const keyring = new core.Keyring();
  assert.throws(() => new core.Op({ command: 'whoami' }, keyring));
  assert.throws(() => core.signBody(keyring, 'x'));
});

test('text, numbers and bytes are the same on both sides', () => {
  const { headers, body } = protocol.parseMessage(Buffer.from('From: a\nX: \u{1f600}\n---\nline\0 \u{1f600}'));
  assert.deepEqual(headers.at(-1), ['X', '\u{1f600}']);
  assert.equal(body, 'line\0 \u{1f600}');
  const unpaired = protocol.sanitizeName('a\ud800b');
  assert.equal(unpaired.isWellFormed?.() ?? true, true);
  const view = new Uint8Array(Buffer.from('xxFrom: a\n---\nbodyxx')).subarray(2, -2);
  assert.equal(protocol.parseMessage(view).body, 'body');
});

test('messages that no client wrote are taken apart or refused', () => {
  let state = 7;
  const random = (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state % below;
  };
  const identity = protocol.Identity.fromSeed(new Uint8Array(32).fill(1));
  const signed = protocol.signMessage(identity, { from: 'a@x', to: ['b@x'], date: '2026-01-01 00:00:00', message_id: '0123456789ab', subject: 's' }, 'body');
  const whole = Buffer.from(`From: a@x\nTo: b@x\nSubject: s\nDate: 2026-01-01 00:00:00\nMessage-ID: 0123456789ab\n---\n${signed}`);
  assert.equal(protocol.verify(new Uint8Array(whole)).verdict, 'valid');
  for (let round = 0; round < 2_000; round += 1) {
    const bytes = new Uint8Array(whole);
    for (let change = random(4); change >= 0; change -= 1) bytes[random(bytes.length)] = random(256);
    const cut = bytes.subarray(0, random(2) ? bytes.length : random(bytes.length));
    const found = protocol.verify(cut);
    assert.ok(['valid', 'body-only', 'invalid', 'unknown-key', 'unsigned'].includes(found.verdict));
    if (found.verdict === 'valid') assert.equal(found.text, 'body');
    protocol.parseMessage(cut);
  }
});
