// Signatures through WebAssembly in Node, beside the same natively and beside Node's own on the same bytes. Medians, one run.
// `cargo xtask bench wasm` runs it; `AZALL_SIGNATURES` is the native program.
import { spawnSync } from 'node:child_process';
import crypto from 'node:crypto';

import { node, slim, web } from './builds.mjs';

const ROUNDS = 41;
const CALLS = 32;

const identity = node.Identity.fromSeed(new Uint8Array(32).fill(9));
const ofWeb = web.Identity.fromSeed(new Uint8Array(32).fill(9));
const bytes = new Uint8Array(1024).fill(0x78);
const text = 'x'.repeat(1024);
const headers = {
  from: 'ada@localhost',
  to: ['bob@localhost'],
  subject: 'Hi',
  date: '2026-03-11 14:30:00',
  message_id: 'abcdef012345',
};
const file = new TextEncoder().encode(
  node.formatMessage({ ...headers, to: 'bob@localhost', body: node.signMessage(identity, headers, text) }),
);
if (slim.verify(file).verdict !== 'valid') throw new Error('the message is not valid');

// Keys in the forms of RFC 8410: a fixed head, then the 32 bytes.
const privateKey = crypto.createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 9)]),
  format: 'der',
  type: 'pkcs8',
});
const publicKey = crypto.createPublicKey(privateKey);
const { x } = publicKey.export({ format: 'jwk' });
const signature = crypto.sign(null, bytes, privateKey);
if (!Buffer.from(identity.sign(bytes)).equals(signature)) throw new Error('the signatures differ');

const SUBJECTS = {
  'wasm verify': () => web.verify(file),
  'wasm verify, slim': () => slim.verify(file),
  'wasm seal': () => web.signMessage(ofWeb, headers, text),
  'wasm sign': () => ofWeb.sign(bytes),
  // A message brings its key as bytes.
  'node verify': () => crypto.verify(null, bytes, { key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }, signature),
  'node sign': () => crypto.sign(null, bytes, privateKey),
};

/** The native program's own medians. */
function measureNative() {
  const native = spawnSync(process.env.AZALL_SIGNATURES, { encoding: 'utf8' });
  if (native.status !== 0) throw new Error(native.stderr || 'no native program');
  for (const line of native.stdout.trim().split('\n')) {
    const [name, value] = line.split(' ');
    (times[`native ${name}`] ??= []).push(Number(value));
  }
}

const times = Object.fromEntries(Object.keys(SUBJECTS).map((name) => [name, []]));
for (const call of Object.values(SUBJECTS)) for (let warm = 0; warm < 500; warm += 1) call();
for (let round = 0; round < ROUNDS; round += 1) {
  // By turns, so that what else the machine does falls on all alike.
  if (round % 8 === 0) measureNative();
  for (const [name, call] of Object.entries(SUBJECTS)) {
    const start = process.hrtime.bigint();
    for (let count = 0; count < CALLS; count += 1) call();
    times[name].push(Number(process.hrtime.bigint() - start) / 1e3 / CALLS);
  }
}
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const micros = Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]));

const row = (what, wasm, nativeName, nodeName) => {
  const [own, fast, builtin] = [micros[wasm], micros[nativeName], micros[nodeName]];
  const share = `${((fast / own) * 100).toFixed(0)} %`;
  const beside = builtin === undefined ? '' : `${builtin.toFixed(1)} us (${(builtin / own).toFixed(2)}x)`;
  console.log(`${what.padEnd(44)} ${own.toFixed(1).padStart(7)} us  ${fast.toFixed(1).padStart(6)} us  ${share.padStart(5)}   ${beside}`);
};
console.log(`${'1 KB, medians'.padEnd(44)} ${'wasm'.padStart(10)}  ${'native'.padStart(9)}  share   Node's own`);
row('envelope 2, bytes to verdict', 'wasm verify', 'native verify', 'node verify');
row('the same, slim', 'wasm verify, slim', 'native verify', 'node verify');
row('envelope 2, signed', 'wasm seal', 'native seal', 'node sign');
row('1 KB signed', 'wasm sign', 'native sign', 'node sign');
