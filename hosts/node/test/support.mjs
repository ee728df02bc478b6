// What the tests have in common: folders of their own, the native program, a relay.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Mailbox } from '../dist/index.js';

/** The package's folder, and the repository's. */
export const packageFolder = fileURLToPath(new URL('..', import.meta.url));
export const repository = path.resolve(packageFolder, '../..');
export const program = path.join(packageFolder, 'bin/azall.js');

/** Variables of the machine that would change what a test sees. */
for (const name of ['AGENTAZALL_CONFIG', 'AGENTAZALL_ROOT', 'AGENTAZALL_AGENT']) delete process.env[name];

/** A folder that is removed after the tests of the file. */
export function folder() {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'azall-node-'));
  after(() => fs.rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A new mailbox in a folder of its own, or beside others in `root`. */
export async function mailbox(name = 'ada', root = folder(), options = {}) {
  const config = path.join(root, `${name}.json`);
  return Mailbox.open(config, { create: { agent: `${name}@localhost` }, ...options });
}

/** Runs this package's command. */
export function azall(words, cwd, { input = '', env = {} } = {}) {
  return spawnSync(process.execPath, [program, ...words], { cwd, input, encoding: 'utf8', env: { ...process.env, ...env } });
}

/** The native program, which some tests need: a relay, a second opinion. */
export function native() {
  const found = process.env.AZALL_BIN;
  if (found === undefined) throw new Error('AZALL_BIN must name the native azall');
  return found;
}

export async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Comes back when a condition holds; fails after a while that only a fault takes: the lock of a process that was killed lasts 18 seconds. */
export async function until(holds, what) {
  const end = Date.now() + 180_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`it never came to this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A relay of its own on this machine, ended after the tests of the file. */
export async function relay() {
  const port = await freePort();
  const words = ['server', '--agenttalk', '--bind', '127.0.0.1', '--port', String(port), '--data-dir', folder()];
  const child = spawn(native(), words, { stdio: 'ignore' });
  after(() => child.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}`;
  await until(() => fetch(url).then(() => true, () => false), 'the relay answers');
  return url;
}

/** A mailbox with an account on a relay. */
export async function registered(name, server) {
  const made = await mailbox(name);
  await made.run({ command: 'register', arguments: { name, server, yes: true } });
  const opened = await Mailbox.open(made.configFile);
  return opened;
}

/** A folder with these programs in it and this package beside them, as `npm install azall` puts it. */
export function installed(programs) {
  const made = folder();
  fs.cpSync(programs, made, { recursive: true });
  fs.mkdirSync(path.join(made, 'node_modules'));
  fs.symlinkSync(packageFolder, path.join(made, 'node_modules/azall'));
  return made;
}
