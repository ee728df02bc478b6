// The vectors: inputs and the reference client's answers. What is asserted is what the core's own tests assert.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import * as protocol from '../dist/protocol.js';
import { repository } from './support.mjs';

const folder = process.env.AZALL_VECTORS ?? path.join(repository, 'tests/vectors');
const load = (name) => JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`), 'utf8'));

/** The cases under a name; none would test nothing. */
function cases(vectors, key = 'cases') {
  assert.ok(Array.isArray(vectors[key]) && vectors[key].length > 0, `no cases under ${key}`);
  return vectors[key];
}

const hex = (text) => new Uint8Array(Buffer.from(text, 'hex'));
// eslint-disable-next-line no-control-regex -- white space as Python has it
const stripEnd = (text) => text.replace(/[\s\u001c-\u001f\u0085]+$/u, '');

test('no file of vectors is left out', () => {
  const names = fs.readdirSync(folder).filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5));
  assert.deepEqual(names.toSorted(), ['filter', 'format', 'index', 'parse', 'signing', 'small', 'trust', 'verify']);
});

test('senders are accepted as by the reference', () => {
  for (const { filter, sender, accept } of cases(load('filter'))) {
    assert.equal(protocol.filterAccepts(filter, sender), accept, JSON.stringify({ filter, sender }));
  }
});

test('files are read as the reference reads them', () => {
  for (const one of cases(load('parse'))) {
    const { headers, body } = protocol.parseMessage(new Uint8Array(Buffer.from(one.raw_b64, 'base64')));
    assert.equal(body, one.body, one.raw_b64);
    assert.deepEqual(headers.map(([name]) => name), one.header_order, one.raw_b64);
    for (const [name, value] of headers) assert.equal(value, one.headers[name], name);
  }
});

test('files are written as the reference writes them', () => {
  let written = 0;
  for (const one of cases(load('format'))) {
    const { from_: from, to, subject, date, message_id, body, text } = one;
    const message = { from, to, subject, date, message_id, body, attachments: one.attachments ?? [] };
    try {
      assert.equal(protocol.formatMessage(message), text);
      written += 1;
    } catch (error) {
      // What could break out of a header is refused.
      assert.equal(error.code, 'message', JSON.stringify(one));
    }
  }
  assert.ok(written > 0);
});

test('keys are made from their seed', () => {
  for (const one of cases(load('small'), 'keys')) {
    const identity = protocol.Identity.fromSeed(hex(one.private_key_hex));
    assert.equal(Buffer.from(identity.publicKey).toString('base64'), one.public_key_b64);
    assert.equal(identity.fingerprint, one.fingerprint);
    assert.equal(protocol.fingerprintOf(one.public_key_b64), one.fingerprint);
    assert.equal(protocol.fingerprintOf(identity.publicKey), one.fingerprint);
    const again = protocol.Identity.parse(Buffer.from(JSON.stringify(one)));
    assert.deepEqual(again.publicKey, identity.publicKey);
  }
});

test('message ids and file names are the references', () => {
  const small = load('small');
  for (const one of cases(small, 'message_ids')) {
    assert.equal(protocol.newMessageId(one.from_, one.to, one.subject, one.iso_now, one.random_hex), one.id);
  }
  for (const { name, out } of cases(small, 'sanitize')) assert.equal(protocol.sanitizeName(name), out, JSON.stringify(name));
});

test('envelopes of the reference are verified, and written as it writes them', () => {
  for (const one of cases(load('signing'))) {
    const identity = protocol.Identity.fromSeed(hex(one.private_key_hex));
    const found = protocol.verifyBody([], one.signed_body);
    assert.deepEqual([found.envelope, found.fingerprint, found.verdict], ['version-1', one.fingerprint, 'body-only']);
    assert.deepEqual([found.text, found.before, found.after], [one.body, '', '']);
    const sealed = protocol.signBody(identity, one.body);
    // White space at the end is not signed, since no old reader would verify it.
    assert.equal(sealed, one.body === stripEnd(one.body) ? one.signed_body : protocol.signBody(identity, stripEnd(one.body)));
    assert.equal(protocol.verifyBody([], sealed).verdict, 'body-only');
  }
});

test('verdicts are the references but where it is wrong', () => {
  for (const one of cases(load('verify'))) {
    const found = protocol.verifyBody(Object.entries(one.headers), one.body);
    assert.equal(found.text, one.reference_unwrapped, one.why);
    const key = found.public_key === null ? null : protocol.fingerprintOf(found.public_key);
    if (found.fingerprint !== null && key !== null && key !== found.fingerprint) {
      // The reference does not hold the key against the fingerprint beside it.
      assert.equal(found.verdict, 'invalid', one.why);
      continue;
    }
    const expected = { true: 'body-only', false: 'invalid', null: 'unsigned' }[String(one.reference_verdict)];
    assert.equal(found.verdict, expected, one.why);
  }
});

const setting = (one, check) => ({
  agent: check?.expected_agent ?? one.agent,
  agent_key: check?.agent_key ?? one.agent_key,
  machine: check?.machine_fp ?? one.machine_fp,
  now_ms: (check?.at ?? one.now) * 1000,
});

test('tokens are built byte for byte, and checks give the references reasons', () => {
  for (const one of cases(load('trust'))) {
    const made = protocol.makeTrustToken(setting(one), hex(one.nonce_hex), one.machine_name);
    assert.deepEqual([made.token, made.armor, made.owner_secret], [one.token_b64, one.armor, one.owner_auth_secret]);
    for (const check of cases(one, 'checks')) {
      const token = { armor: one.armor, base64: one.token_b64 }[check.input] ?? check.token_b64;
      const run = () => protocol.checkTrustToken(token, setting(one, check));
      if (check.expect.valid === true) assert.equal(run().nonce, one.nonce_hex, check.what);
      else assert.throws(run, { code: 'trust', exitCode: 3, message: check.expect.reason }, check.what);
    }
  }
});

test('owner messages are proven', () => {
  for (const { owner_auth_key: key, message, signature } of cases(load('trust'), 'owner_messages')) {
    assert.equal(protocol.ownerSign(key, message), signature);
    assert.equal(protocol.ownerVerify(key, message, signature), true);
    assert.equal(protocol.ownerVerify(key, `${message} `, signature), false);
  }
});

/** The files below one folder, by the rest of their path. */
const below = (files, where) =>
  Object.fromEntries(Object.entries(files).filter(([name]) => name.startsWith(`${where}/`)).map(([name, content]) => [name.slice(where.length + 1), content]));

function headersOf(content) {
  const lines = content.split('\n');
  const end = lines.findIndex((line) => line.trim() === '---');
  const fields = lines.slice(0, end < 0 ? undefined : end).filter((line) => line.includes(':'));
  return fields.map((line) => [line.slice(0, line.indexOf(':')).trim(), line.slice(line.indexOf(':') + 1).trim()]);
}

const sorted = (files) => Object.entries(files).toSorted(([a], [b]) => (a < b ? -1 : 1));
const messagesOf = (files) => sorted(files).map(([file, content]) => ({ file, headers: headersOf(content) }));
const memoriesOf = (files) => sorted(below(files, 'remember')).map(([file, text]) => ({ file, text }));

function scriptsOf(files) {
  const meta = (file) => Buffer.from(files[file.replace('.py', '.meta.json')] ?? '');
  const names = Object.keys(files).filter((file) => file.endsWith('.py')).toSorted();
  return names.map((file) => ({ file, description: protocol.scriptDescription(meta(file)) }));
}

test('the indexes of a day and of all memories are the references', () => {
  for (const one of cases(load('index'))) {
    const now = { unix_ms: Date.parse(`${one.now.replace(' ', 'T')}Z`.replace(/ZZ$/, 'Z')), offset_seconds: 0 };
    const own = below(one.files, one.agent);
    const memories = [];
    for (const [day, expected] of Object.entries(one.daily_index)) {
      const files = below(own, day);
      const content = {
        agent: one.agent,
        day,
        now,
        inbox: messagesOf(below(files, 'inbox')),
        sent: messagesOf(below(files, 'sent')),
        outbox: messagesOf(below(files, 'outbox')),
        notes: sorted(below(files, 'notes')).map(([file, text]) => ({ file, size: Buffer.byteLength(text) })),
        memories: memoriesOf(files),
        has_identity: 'who_am_i/identity.txt' in files,
        has_tasks: 'what_am_i_doing/tasks.txt' in files,
        skills: scriptsOf(below(own, 'skills')),
        tools: scriptsOf(below(own, 'tools')),
      };
      assert.equal(protocol.dayIndex(content), expected);
      memories.push(...content.memories.map((memory) => ({ day, ...memory })));
    }
    assert.equal(protocol.memoryIndex({ agent: one.agent, now, memories }), one.remember_index);
  }
});
