// Hostile values to every function of every build: each gives a value or an AzallError, and the module goes on working.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import { node, slim, vectorsFolder, web } from './builds.mjs';
import { bytesOf, fromBase64, fromHex } from './check.mjs';

/** The same numbers in every run: xorshift, 32 bits. */
function generator(seed) {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

class Lying extends Uint8Array {
  get length() {
    return 1 << 30;
  }
}

class Throwing extends Uint8Array {
  get length() {
    throw new Error('no');
  }
}

/** Values of every kind, and those that are made to break a reader. */
function oddValues() {
  const cycle = {};
  cycle.self = cycle;
  const trap = () => {
    throw new Error('trap');
  };
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const detached = new Uint8Array(8);
  structuredClone(detached, { transfer: [detached.buffer] });
  const long = new Proxy([], { get: (_, key) => (key === 'length' ? 2 ** 40 : 0) });
  return [
    undefined, null, true, false, 0, -1, 1.5, NaN, Infinity, 2 ** 53, -(2 ** 64), 10n, 1n << 63n, 1n << 200n,
    '', 'a', '\0', '\ud800', '\u{1f680}'.repeat(50), '__proto__', '../../etc', 'x'.repeat(100_000), Symbol('s'),
    () => 1, class {}, new Date(0), new Map([['a', 1]]), new Set(), /a/, new Error('e'), Promise.resolve(), globalThis,
    [], {}, [[[[]]]], cycle, [undefined, null], { a: undefined }, Object.create(null), Object.create({ a: 1 }),
    JSON.parse('{"__proto__": {"a": 1}}'), { get a() { return trap(); } }, { [Symbol.iterator]: trap },
    new Proxy({}, { get: trap, ownKeys: trap, getPrototypeOf: trap }), new Proxy([], { get: trap }), proxy, long,
    { clone: trap }, { clone: () => ({}) }, { clone: () => 7 }, { clone: 7 }, { toString: trap, valueOf: trap },
    new Uint8Array(), new Uint8Array([0, 255, 10, 45]), new Uint8Array(32), new Uint16Array(3), new DataView(new ArrayBuffer(4)),
    new ArrayBuffer(4), new Uint8Array(new SharedArrayBuffer(4)), detached, new Lying(4), new Throwing(4),
    Object.create(Uint8Array.prototype), Buffer.from('From: a@b\n---\nbody'),
    { unix_ms: 0, offset_seconds: 0 }, { unix_ms: -(2 ** 53), offset_seconds: 2 ** 31 }, { unix_ms: 1e15, offset_seconds: -86_400 },
    { unix_ms: Number.MAX_SAFE_INTEGER, offset_seconds: 2147483647 }, { unix_ms: -9223372036854775808n, offset_seconds: -2147483648 },
    { command: 'inbox' }, { command: 'send', arguments: { to: ['a@b'], subject: 's', body: 'b' } }, { command: [] },
    { Ok: null }, { Ok: new Uint8Array(3) }, { Err: { kind: 'other', message: '' } }, { Err: {} },
    { from: 'a@b', to: 'c@d', date: 'x', message_id: 'abcdef012345', attachments: [{}] },
    { agent: 'a@b', agent_key: 'k', machine: 'ab'.repeat(64), now_ms: 1 }, ['inbox', '--json'], ['--help'], ['send', '--to'],
    [['a', 'b']], [{ name: 'a', bytes: new Uint8Array(1) }, null], 'inbox', 'signed', 'abcdef0123456789', 'ab'.repeat(64),
  ];
}

/** What a call gives. An error that is no AzallError fails. */
function attempt(what, call) {
  try {
    return call();
  } catch (error) {
    if (error instanceof TypeError && /constructor|is not a function/.test(error.message)) throw error;
    assert.equal(error?.name, 'AzallError', `${what}: ${error?.stack}`);
    assert.equal(typeof error.code === 'string' && error.exitCode >= 1 && error.message.length > 0, true, what);
    return undefined;
  }
}

/** Every function, static method, constructor and method of a build, as something to call with any arguments. */
function targets(build) {
  const all = [];
  for (const [name, value] of Object.entries(build)) {
    if (name === 'default' || name === 'initSync') continue;
    if (!/^class/.test(String(value))) {
      all.push([name, value]);
      continue;
    }
    for (const property of Object.getOwnPropertyNames(value)) {
      // What begins with `__` is the glue's own.
      if (typeof value[property] === 'function' && !property.startsWith('__')) {
        all.push([`${name}.${property}`, (...args) => value[property](...args)]);
      }
    }
    if (['Op', 'Keyring', 'SeenIds'].includes(name)) all.push([`new ${name}`, (...args) => new value(...args)]);
  }
  return all;
}

/** Instances whose methods are called with anything. */
function instances(build) {
  const identity = build.Identity.fromSeed(new Uint8Array(32).fill(3));
  const opening = build.Op.open('config.json', 'config.json', 'ada@localhost');
  const [keyring, seen] = [new build.Keyring(), new build.SeenIds(5)];
  const lines = build.CommandLine ? [build.CommandLine.parse(['send', '--to', 'a@b']).line] : [];
  return [identity, keyring, seen, opening, ...lines];
}

function methods(instance) {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(instance));
  return names.filter((name) => !['constructor', 'free'].includes(name) && !name.startsWith('__'));
}

for (const [name, build] of [['node', node], ['web', web], ['slim', slim]]) {
  test(`any value to any function: ${name}`, () => {
    const values = oddValues();
    const random = generator(20_260_311);
    const pick = () => values[random(values.length)];
    for (const [target, call] of targets(build)) {
      for (const value of values) attempt(target, () => call(value));
      for (let round = 0; round < 300; round += 1) {
        const args = Array.from({ length: 1 + random(5) }, pick);
        attempt(target, () => call(...args));
      }
    }
    assert.equal(build.fingerprintOf(new Uint8Array(32)).length, 16);
  });
}

for (const [name, build] of [['node', node], ['web', web]]) {
  test(`any value to any method: ${name}`, () => {
    const values = oddValues();
    const random = generator(7);
    for (const instance of instances(build)) {
      for (const method of methods(instance)) {
        const descriptor = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(instance), method);
        if (descriptor.get) {
          attempt(method, () => instance[method]);
          continue;
        }
        for (let round = 0; round < 400; round += 1) {
          const args = Array.from({ length: random(5) }, () => values[random(values.length)]);
          attempt(`${instance.constructor.name}.${method}`, () => instance[method](...args));
        }
      }
    }
  });

  test(`code of an argument cannot get between: ${name}`, () => {
    const op = build.Op.open('config.json', 'config.json');
    const now = { unix_ms: 0, offset_seconds: 0 };
    const step = op.poll(now);
    const sly = { get Ok() { op.cancel(); op.poll(now); return new Uint8Array(4); } };
    attempt('resume', () => op.resume(step.id, sly));
    attempt('poll', () => op.poll({ get unix_ms() { return op.poll(now) && 1; }, offset_seconds: 0 }));
  });
}

/** Inputs that are almost right. */
function mutated(bytes, random) {
  const changed = Uint8Array.from(bytes);
  for (let change = 0; change <= random(4); change += 1) {
    if (changed.length > 0) changed[random(changed.length)] = random(256);
  }
  return random(4) === 0 ? changed.slice(0, random(changed.length + 1)) : changed;
}

test('files that are almost right', () => {
  const read = (name) => JSON.parse(fs.readFileSync(path.join(vectorsFolder, `${name}.json`), 'utf8'));
  const random = generator(99);
  const decoder = new TextDecoder();
  const files = [
    ...read('parse').cases.map((each) => fromBase64(each.raw_b64)),
    ...read('signing').cases.map((each) => bytesOf(each.signed_body)),
    ...read('verify').cases.map((each) => bytesOf(each.body)),
    ...read('small').keys.map((each) => bytesOf(JSON.stringify(each))),
    bytesOf('{"version": 1, "peers": {"abcdef0123456789": {"public_key_b64": "AAAA", "addresses": ["a@b"]}}}'),
  ];
  const trust = read('trust').cases[0];
  const setting = { agent: trust.agent, agent_key: trust.agent_key, machine: trust.machine_fp, now_ms: trust.now * 1000 };
  for (let round = 0; round < 4000; round += 1) {
    const file = mutated(files[random(files.length)], random);
    const build = [node, web, slim][random(3)];
    attempt('verify', () => build.verify(file));
    attempt('parseMessage', () => build.parseMessage(file));
    attempt('verifyBody', () => build.verifyBody([['From', decoder.decode(file)]], decoder.decode(file)));
    attempt('Identity.parse', () => node.Identity.parse(file).free());
    attempt('Keyring.parse', () => node.Keyring.parse(file).free());
    attempt('SeenIds.parse', () => node.SeenIds.parse(file).free());
    attempt('scriptDescription', () => node.scriptDescription(file));
    attempt('checkTrustToken', () => node.checkTrustToken(decoder.decode(mutated(bytesOf(trust.armor), random)), setting));
  }
});

test('what is freed, or of another class, is refused', () => {
  const identity = node.Identity.fromSeed(fromHex('07'.repeat(32)));
  identity.free();
  assert.equal(attempt('signBody', () => node.signBody(identity, 'text')), undefined);
  assert.equal(attempt('signBody', () => node.signBody(new node.Keyring(), 'text')), undefined);
  assert.equal(attempt('new Op', () => new node.Op({ command: 'inbox' }, new node.Keyring())), undefined);
});

for (const [name, build] of [['node', node], ['web', web]]) {
  test(`what is of no use any more says so itself: ${name}`, () => {
    const gone = { name: 'AzallError', code: 'argument', exitCode: 2, message: /freed/ };
    for (const instance of instances(build)) {
      instance.free();
      assert.throws(() => instance.free(), gone);
      for (const method of methods(instance)) {
        const what = `${instance.constructor.name}.${method}`;
        const { get } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(instance), method);
        assert.throws(() => (get ? instance[method] : instance[method]('a', 'b')), gone, what);
      }
    }
    assert.throws(() => new build.Identity().fingerprint, gone);
    const op = build.Op.open('config.json', 'config.json');
    const { id } = op.poll({ unix_ms: 0, offset_seconds: 0 });
    attempt('resume', () => op.resume(id, { get Ok() { return op.free(); } }));
  });
}

test('keys that are none are not taken for no keys', () => {
  for (const keys of [7, 'abcdef0123456789', [new Uint8Array(32)], { abc: new Uint8Array(32) }, { abcdef0123456789: 7 }]) {
    for (const build of [node, web, slim]) {
      assert.throws(() => build.verify(bytesOf('text'), keys), { name: 'AzallError', code: 'argument' });
      assert.throws(() => build.verifyBody([], 'text', keys), { name: 'AzallError', code: 'argument', message: /^knownKeys: / });
    }
  }
  assert.equal(node.verify(bytesOf('text'), null).verdict, 'unsigned');
});

test('large integers, long lists and deep data are bounded', () => {
  const at = (unix_ms) => attempt('poll', () => node.Op.open('config.json', 'c').poll({ unix_ms, offset_seconds: 0 }));
  assert.equal(at(0).step, 'effect');
  assert.equal(at(1n).step, 'effect');
  assert.equal(at(1n << 63n), undefined);
  const deep = Array.from({ length: 100 }).reduce((inner) => [inner], 'a');
  const twice = Array.from({ length: 30 }).reduce((inner) => ({ a: inner, b: inner }), {});
  for (const from of [deep, twice, 'x'.repeat(2 ** 28 + 1), new Uint8Array(2 ** 28 + 1)]) {
    assert.equal(attempt('format', () => node.formatMessage({ from })), undefined);
  }
});

test('text that what is made of it would have no room for is refused', () => {
  const [most, identity] = [2 ** 26, node.Identity.fromSeed(new Uint8Array(32).fill(3))];
  // Three bytes each.
  const long = '\u20ac'.repeat(most);
  assert.equal(attempt('signBody', () => node.signBody(identity, long)), undefined);
  assert.equal(attempt('newMessageId', () => node.newMessageId(long, long, long, long, long)), undefined);
  assert.equal(attempt('verify', () => node.verify(new Uint8Array(most + 1))), undefined);
  const halves = { body: 'x'.repeat(most / 2), from: 'x'.repeat(most / 2 + 1) };
  assert.equal(attempt('formatMessage', () => node.formatMessage(halves)), undefined);
  // The largest, of what becomes largest.
  assert.equal(JSON.parse(identity.toJson('\x01'.repeat(most))).created.length, most);
  assert.equal(node.signBody(identity, 'x'.repeat(most)).length > most, true);
});
