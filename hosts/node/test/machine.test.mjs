// What this machine is, and its scripts: bounded in time, output and memory, and ended with all that they have started.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';

import { facts, scriptHandler } from '../dist/machine.js';
import { Roots } from '../dist/roots.js';
import { folder, until } from './support.mjs';

const never = new AbortController().signal;
const text = (bytes) => Buffer.from(bytes).toString();

/** Runs a Python script as an effect. */
function run(code, how = {}, over = never) {
  const root = folder();
  const mailboxes = path.join(root, 'mailboxes');
  fs.mkdirSync(path.join(mailboxes, 'ada'), { recursive: true });
  fs.writeFileSync(path.join(mailboxes, 'ada/script.py'), code);
  const place = (where) => ({ root: 'mailboxes', path: where });
  const effect = { script: place('ada/script.py'), folder: place('ada'), args: [], timeout_ms: 20_000, output_limit: 1_000, ...how };
  return scriptHandler(new Roots(root, mailboxes))(effect, over);
}

test('a script gets its arguments, runs beside the mailboxes, and sees no variable of azall but those that name it', async () => {
  process.env.AZALL_SECRET = 'secret';
  process.env.AGENTAZALL_CONFIG = 'c.json';
  try {
    const code = "import os, sys; print(sys.argv[1:], os.path.basename(os.getcwd()), os.environ.get('AZALL_SECRET'), os.environ['AGENTAZALL_CONFIG']); sys.exit(3)";
    const done = await run(code, { args: ['a b', '--c'] });
    assert.deepEqual([text(done.stdout), done.code, done.timed_out, done.truncated], ["['a b', '--c'] mailboxes None c.json\n", 3, false, false]);
  } finally {
    delete process.env.AZALL_SECRET;
    delete process.env.AGENTAZALL_CONFIG;
  }
});

test('what it prints beyond the limit is dropped, and takes no memory', async () => {
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  const look = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers - before)), 5);
  after(() => clearInterval(look));
  const done = await run("import sys\nfor _ in range(3000): sys.stdout.write('x' * 100000)\nsys.stderr.write('end')");
  clearInterval(look);
  assert.deepEqual([done.stdout.length, done.truncated, text(done.stderr), done.code], [1_000, true, 'end', 0]);
  assert.ok(most < 150_000_000, `${most} bytes were held`);
});

/** A script that starts another process, tells its number, and waits. */
const PARENT = "import subprocess, sys, time\nchild = subprocess.Popen(['sleep', '600'])\nprint(child.pid, flush=True)\ntime.sleep(600)";
const isGone = (pid) => {
  try {
    // A process that has ended and was not waited for is a zombie.
    return /^State:\tZ/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
};

test('at the time limit it is ended with all that it has started', async () => {
  const done = await run(PARENT, { timeout_ms: 1_500 });
  assert.deepEqual([done.timed_out, done.code], [true, null]);
  await until(() => isGone(Number(text(done.stdout))), 'its child is gone');
});

test('nobody waits for a script once it is over, before it began or after', async () => {
  const over = new AbortController();
  const running = run(PARENT, {}, over.signal);
  over.abort();
  assert.equal((await running).code, null);
  assert.equal((await run(PARENT, {}, AbortSignal.abort())).code, null);
});

test('only a regular file is run', async () => {
  const root = folder();
  const handler = scriptHandler(new Roots(root, root));
  const effect = (name) => ({ script: { root: 'config', path: name }, folder: { root: 'config', path: '' }, args: [], timeout_ms: 1_000, output_limit: 10 });
  fs.writeFileSync(path.join(root, 'real.py'), 'print(1)');
  fs.symlinkSync('real.py', path.join(root, 'link.py'));
  await assert.rejects(handler(effect('link.py'), never), { name: 'EffectError', kind: 'permission_denied' });
  await assert.rejects(handler(effect('none.py'), never), { name: 'EffectError', kind: 'not_found' });
  await assert.rejects(handler(effect('../x.py'), never), { name: 'EffectError', kind: 'permission_denied' });
});

test('the machine tells who it is, though Python hangs', async () => {
  const programs = folder();
  fs.writeFileSync(path.join(programs, 'python3'), '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 });
  const kept = process.env.PATH;
  process.env.PATH = `${programs}:${kept}`;
  try {
    const over = new AbortController();
    const asked = facts({}, over.signal);
    over.abort();
    assert.ok((await asked).fingerprint_parts.length >= 7);
  } finally {
    process.env.PATH = kept;
  }
  assert.match((await facts({}, never)).process, new RegExp(`^${process.pid}@`));
});
