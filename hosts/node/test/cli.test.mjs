// `npx azall`: the same output and exit codes as the native program.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { azall, folder, native, program, until } from './support.mjs';

const both = (words, how = {}) => {
  const here = azall(words, folder(), how);
  const there = spawnSync(native(), words, { cwd: folder(), input: how.input ?? '', encoding: 'utf8' });
  return [here, there];
};

test('help, the version and mistakes are the native ones', () => {
  for (const words of [['--version'], ['--help'], ['send', '--help'], [], ['nosuch'], ['send'], ['read', '--date', 'x', 'y'], ['completions', 'bash']]) {
    const [here, there] = both(words);
    assert.deepEqual([here.status, here.stdout, here.stderr], [there.status, there.stdout, there.stderr], words.join(' '));
  }
});

test('input comes from standard input or a file, and failures are told in JSON where that is asked for', () => {
  const cwd = folder();
  assert.equal(azall(['quickstart', '--agent', 'ada'], cwd).status, 0);
  assert.equal(azall(['remember', '--title', 't'], cwd, { input: 'from a pipe' }).status, 0);
  assert.match(azall(['recall', 'pipe'], cwd).stdout, /from a pipe/);
  fs.writeFileSync(path.join(cwd, 'body.txt'), 'from a file');
  assert.equal(azall(['send', '--to', 'ada@localhost', '--body-file', 'body.txt'], cwd).status, 0);
  const missing = azall(['send', '--to', 'ada@localhost', '--body-file', 'none.txt', '--json'], cwd);
  assert.equal(missing.status, 1);
  assert.match(missing.stdout + missing.stderr, /cannot read none\.txt: No such file or directory/);
  const unknown = azall(['read', 'ffffffffffff', '--json'], cwd);
  assert.equal(unknown.status, 1);
});

test('what only the native program does is said to be so', () => {
  const served = azall(['server', '--agenttalk'], folder());
  assert.notEqual(served.status, 0);
  assert.notEqual(served.stderr, '');
});

test('an archive is written for its owner alone', () => {
  const cwd = folder();
  azall(['quickstart', '--agent', 'ada'], cwd);
  assert.equal(azall(['export', '-o', 'a.zip'], cwd).status, 0);
  assert.equal(fs.statSync(path.join(cwd, 'a.zip')).mode & 0o777, 0o600);
  const refused = azall(['export', '-o', 'config.json'], cwd);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /no ZIP file/);
});

test('a variable that cannot be used is not passed over', () => {
  for (const name of ['AGENTAZALL_CONFIG', 'AGENTAZALL_ROOT', 'AGENTAZALL_AGENT']) {
    const cwd = folder();
    // Node itself gives a child nothing that is not UTF-8.
    const script = `export ${name}="$(printf 'ann\\377@localhost')" && exec "$@"`;
    const words = ['-c', script, 'sh', process.execPath, program, 'remember', '--text', 'x'];
    const ran = spawnSync('sh', words, { cwd, input: '', encoding: 'utf8' });
    assert.deepEqual([ran.status, ran.stdout, ran.stderr], [1, '', `error: $${name} is not UTF-8\n`]);
    assert.deepEqual(fs.readdirSync(cwd), []);
  }
});

test('a daemon stops cleanly on SIGTERM', async () => {
  const cwd = folder();
  azall(['quickstart', '--agent', 'ada'], cwd);
  azall(['send', '--to', 'ada@localhost', '--body', 'x'], cwd);
  const child = spawn(process.execPath, [program, 'daemon', '--json'], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, notices] = ['', ''];
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (notices += chunk));
  await until(() => notices.includes('received'), 'the daemon has found the message');
  child.kill('SIGTERM');
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0);
  assert.equal(JSON.parse(output).received, 1);
});

test('a reader that goes away while lines are told is no failure either', async () => {
  const cwd = folder();
  azall(['quickstart', '--agent', 'ada'], cwd);
  const config = path.join(cwd, 'config.json');
  fs.writeFileSync(config, JSON.stringify({ ...JSON.parse(fs.readFileSync(config, 'utf8')), sync_interval: 1 }));
  const child = spawn(process.execPath, [program, 'inbox', '--watch'], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let notices = '';
  child.stderr.on('data', (chunk) => (notices += chunk));
  const closed = new Promise((resolve) => child.once('close', (code, signal) => resolve([code, signal])));
  azall(['send', '--to', 'ada@localhost', '--subject', 'first', '--body', 'x'], cwd);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.stdout.destroy();
  azall(['send', '--to', 'ada@localhost', '--subject', 'second', '--body', 'x'], cwd);
  // Two cycles, in which it is told; if that ends the process, the race is lost.
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 2_500))]);
  child.kill('SIGTERM');
  assert.deepEqual([await closed, notices], [[0, null], '']);
});

test('a reader that goes away is no failure', () => {
  const cwd = folder();
  azall(['quickstart', '--agent', 'ada'], cwd);
  const piped = spawnSync('sh', ['-c', `"${process.execPath}" "${program}" onboard | true; echo done`], { cwd, encoding: 'utf8' });
  assert.deepEqual([piped.stdout, piped.stderr], ['done\n', '']);
});
