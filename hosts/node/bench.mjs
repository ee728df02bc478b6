// How quick it is, as medians: `node bench.mjs [ROUNDS]` after a build. AZALL_CORE chooses the core, AZALL_BIN a native program to compare.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { coreKind, Mailbox } from './dist/index.js';
import * as protocol from './dist/protocol.js';

const rounds = Number(process.argv[2] ?? 15);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const shown = (name, ms, unit = 'ms') => process.stdout.write(`${name.padEnd(58)}${ms.toFixed(3).padStart(10)} ${unit}\n`);

/** The median of several rounds, in milliseconds for one of `each` calls. */
async function measured(name, each, call) {
  await call();
  const times = [];
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now();
    await call();
    times.push((performance.now() - start) / each);
  }
  shown(name, median(times));
}

process.stdout.write(`core: ${coreKind}, Node ${process.version}, ${os.cpus()[0]?.model}, medians of ${rounds}\n`);

const identity = protocol.Identity.generate();
const headers = { from: 'a@x', to: ['b@x'], subject: 's', date: '2026-01-01 00:00:00', message_id: '0123456789ab' };
const body = 'word '.repeat(200);
const file = Buffer.from(`From: a@x\nTo: b@x\nSubject: s\nDate: 2026-01-01 00:00:00\nMessage-ID: 0123456789ab\n---\n${protocol.signMessage(identity, headers, body)}`);
if (protocol.verify(file).verdict !== 'valid') throw new Error('the signature must be valid');
const repeat = (count, call) => () => {
  for (let index = 0; index < count; index += 1) call();
};
await measured('sign a message of 1 kB (envelope 2)', 200, repeat(200, () => protocol.signMessage(identity, headers, body)));
await measured('verify it', 200, repeat(200, () => protocol.verify(file)));
await measured('take it apart', 200, repeat(200, () => protocol.parseMessage(file)));

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'azall-bench-'));
try {
  const mailbox = await Mailbox.open(folder, { create: { agent: 'bench' } });
  await mailbox.send({ to: mailbox.address, subject: 'one', body });
  const [{ day, id }] = (await mailbox.inbox()).messages;
  const inbox = path.join(mailbox.folder, day, 'inbox');
  const text = fs.readFileSync(path.join(inbox, `${id}.txt`), 'utf8');
  for (let index = 1; index < 1_000; index += 1) {
    const other = index.toString(16).padStart(12, '0');
    fs.writeFileSync(path.join(inbox, `${other}.txt`), text.replace(/^Message-ID: .*$/m, `Message-ID: ${other}`));
  }
  const listing = await mailbox.inbox({ offline: true });
  if (listing.messages.length !== 1_000) throw new Error(`there must be 1,000 messages, not ${listing.messages.length}`);
  await measured('Mailbox.open', 1, () => Mailbox.open(folder));
  await measured('Mailbox.open and inbox of 1,000 messages, offline', 1, async () => (await Mailbox.open(folder)).inbox({ offline: true }));
  await measured('the same with a sync', 1, async () => (await Mailbox.open(folder)).inbox());
  await measured('send to a neighbour (durable)', 1, () => mailbox.send({ to: 'nobody@elsewhere.example', subject: 's', body }));
  await measured('remember (durable)', 1, () => mailbox.remember('text', { title: `${performance.now()}` }));
  const commands = [['npx azall inbox --offline (a process)', process.execPath, [fileURLToPath(new URL('bin/azall.js', import.meta.url))]]];
  if (process.env.AZALL_BIN) commands.push(['the native azall inbox --offline', process.env.AZALL_BIN, []]);
  for (const [name, command, words] of commands) {
    await measured(name, 1, () => spawnSync(command, [...words, 'inbox', '--offline'], { cwd: folder }));
  }
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
