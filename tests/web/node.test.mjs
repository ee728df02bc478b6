// Every build in Node: the vectors, and whole commands.
import assert from 'node:assert/strict';
import test from 'node:test';

import { node, readAll, slim, transcriptsFolder, vectorsFolder, web } from './builds.mjs';
import { replay } from './replay.mjs';
import { LISTS, SLIM_CHECKS, checkVectors } from './vectors.mjs';

const vectors = readAll(vectorsFolder);
const transcripts = Object.entries(readAll(transcriptsFolder));

test('no file of vectors is left out', () => {
  assert.deepEqual(Object.keys(vectors), Object.keys(LISTS));
});

for (const [name, build] of [['node', node], ['web', web]]) {
  for (const area of Object.keys(LISTS)) {
    test(`vectors, ${name}: ${area}`, () => assert.ok(checkVectors(build, vectors, [area]) > 0));
  }
  for (const [command, transcript] of transcripts) {
    test(`transcript, ${name}: ${command}`, () => assert.ok(replay(build, command, transcript) > 2));
  }
}

for (const area of SLIM_CHECKS) {
  test(`vectors, slim: ${area}`, () => assert.ok(checkVectors(slim, vectors, [area]) > 0));
}

test('the builds are of one version', () => {
  assert.deepEqual([web.version(), slim.version()], [node.version(), node.version()]);
});

test('each build has what its types say, and no more', () => {
  const names = (build) => Object.keys(build).filter((name) => !['default', 'initSync'].includes(name)).sort();
  assert.deepEqual(names(slim), ['fingerprintOf', 'parseMessage', 'verify', 'verifyBody', 'version']);
  const commandLine = ['CommandLine', 'eventLine', 'failedEnding'];
  assert.deepEqual(names(node).filter((name) => !commandLine.includes(name)), names(web));
});

test('a signature made in one build is good in another', () => {
  const identity = node.Identity.fromSeed(new Uint8Array(32).fill(9));
  const headers = {
    from: 'ada@localhost',
    to: ['bob@localhost'],
    subject: 'Hi',
    date: '2026-03-11 14:30:00',
    message_id: 'abcdef012345',
    attachments: [{ name: 'a.txt', size: 3, sha256: '00'.repeat(32) }],
  };
  const signed = node.signMessage(identity, headers, 'text');
  const known = [['From', 'ada@localhost'], ['To', 'bob@localhost'], ['Subject', 'Hi'], ['Date', headers.date], ['Message-ID', 'abcdef012345']];
  for (const build of [web, slim, node]) {
    const opened = build.verifyBody(known, signed);
    assert.deepEqual([opened.verdict, opened.envelope, opened.headers.Subject], ['valid', 'version-2', 'Hi']);
    assert.equal(build.verifyBody(known, signed.replace('text', 'test')).verdict, 'invalid');
  }
  const documented = node.signDocumented(identity, { from: headers.from, to: headers.to, date: headers.date }, 'text');
  assert.equal(slim.verifyBody([], documented).envelope, 'documented');
});

test('a keyring and seen ids keep what they are told', () => {
  const keyring = new node.Keyring();
  const [first, second] = [1, 2].map((byte) => node.Identity.fromSeed(new Uint8Array(32).fill(byte)));
  const now = { unix_ms: 1_773_239_400_000, offset_seconds: 0 };
  assert.equal(keyring.observe('ada@localhost', first.publicKey, false, now), 'first-seen');
  assert.equal(keyring.observe('ada@localhost', first.publicKey, false, now), 'known');
  assert.equal(keyring.observe('ada@localhost', second.publicKey, false, now), 'key-changed');
  assert.deepEqual(keyring.lookup(first.fingerprint), first.publicKey);
  const again = node.Keyring.parse(new TextEncoder().encode(keyring.toJson()));
  assert.deepEqual(again.entries(), keyring.entries());
  assert.deepEqual([again.trust(first.fingerprint), again.forget(second.fingerprint)], [true, true]);
  assert.equal(again.lookup(second.fingerprint), null);

  const seen = new node.SeenIds(2);
  assert.deepEqual(['a', 'b', 'a', 'c'].map((id) => seen.add('transport', id)), [true, true, false, true]);
  assert.deepEqual([seen.size, seen.has('transport', 'a'), seen.has('transport', 'c')], [2, false, true]);
  assert.equal(node.SeenIds.parse(new TextEncoder().encode(seen.toText())).has('transport', 'b'), true);
});
