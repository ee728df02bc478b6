// The command line of the build for Node: it prints what the native one prints.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

import { node } from './builds.mjs';

const { CommandLine, Op, eventLine, failedEnding } = node;
const now = { unix_ms: 1_773_239_400_000, offset_seconds: 0 };

/** The native program with the same arguments, in an empty folder. */
function native(words, context) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'azall-native-'));
  context.after(() => fs.rmSync(folder, { recursive: true }));
  const env = { PATH: process.env.PATH, HOME: folder };
  const { status, stdout, stderr } = spawnSync(process.env.AZALL_BIN, words, { cwd: folder, encoding: 'utf8', env });
  return { code: status, stdout, stderr };
}

test('help, version and mistakes are the native ones', (context) => {
  const lines = [['--help'], ['--version'], ['send', '--help'], ['rememebr'], ['send', '--to'], ['--json', 'nothing'], []];
  for (const words of [...lines, ['completions', 'bash'], ['inbox', '--help', '--json']]) {
    const { ending, line } = CommandLine.parse(words);
    assert.equal(line, undefined);
    const printed = ending.to_stderr ? { stdout: '', stderr: ending.text } : { stdout: ending.text, stderr: '' };
    assert.deepEqual({ code: ending.code, ...printed }, native(words, context), words.join(' '));
  }
});

test('a command line tells what it needs', () => {
  const { line } = CommandLine.parse(['--json', '-v', 'send', '--to', 'a@b', '-s', 'Hi', '-a', 'x.txt']);
  assert.deepEqual([line.json, line.verbose, line.noColor, line.isForNative], [true, true, false, false]);
  const sources = line.sources().map(({ from, path }) => [from, path].join(' '));
  assert.deepEqual(sources.sort(), ['file x.txt', 'stdin-if-piped ']);
  assert.match(line.configPath(null, '/root'), /^\/root\//);
  assert.equal(line.configPath('/c.json', '/root'), '/c.json');
  assert.equal(CommandLine.parse(['server']).line.isForNative, true);
});

/** Drives an operation over one file, the config; everything else is not there. */
function drive(op, files) {
  for (;;) {
    const step = op.poll(now);
    if (step.step !== 'effect') return step;
    const { kind, place, bytes } = step.effect;
    const answers = {
      ReadFile: () => (files[place.path] ? { Ok: files[place.path] } : { Err: { kind: 'not_found', message: 'no' } }),
      WriteAtomic: () => ((files[place.path] = bytes), { Ok: null }),
      Random: () => ({ Ok: new Uint8Array(step.effect.count).fill(5) }),
      List: () => ({ Err: { kind: 'not_found', message: 'no' } }),
    };
    op.resume(step.id, answers[kind]?.() ?? { Ok: null });
  }
}

test('a command runs from its line to its end', () => {
  const opening = Op.open('config.json', '/a/config.json', 'ada@localhost');
  assert.throws(() => opening.takeConfig(), { name: 'AzallError', code: 'argument' });
  const files = {};
  assert.equal(drive(opening, files).step, 'opened');
  const config = opening.takeConfig();
  assert.throws(() => opening.takeConfig(), { name: 'AzallError', code: 'argument' });

  const { line } = CommandLine.parse(['address']);
  const { op, ending } = line.start([], config);
  assert.equal(ending, undefined);
  assert.throws(() => op.ending(false, false), { name: 'AzallError', code: 'argument' });
  assert.throws(() => line.start([], config), { name: 'AzallError', code: 'argument' });
  for (let step = drive(op, files); step.step !== 'done'; step = drive(op, files)) assert.equal(step.step, 'event');
  const printed = op.ending(true, false);
  assert.equal(printed.code, 0);
  assert.equal(typeof JSON.parse(printed.text), 'object');
  assert.notEqual(op.ending(false, false).text, printed.text);
});

test('events and failures are printed as the level and the flags say', () => {
  assert.equal(eventLine('detail', 'x', false, false, false), null);
  assert.deepEqual(eventLine('detail', 'x', false, true, false), { text: 'x\n', to_stderr: true });
  assert.deepEqual(eventLine('warning', 'x', false, false, false), { text: 'warning: x\n', to_stderr: true });
  assert.equal(eventLine('result', 'x', true, false, false), null);
  assert.deepEqual(eventLine('result', 'x', false, false, false), { text: 'x\n', to_stderr: false });
  assert.throws(() => eventLine('loud', 'x', false, false, false), { code: 'argument' });
  assert.deepEqual(failedEnding('no \x1b[31m', 3, false, false), { text: 'error: no \ufffd[31m\n', to_stderr: true, code: 3 });
  assert.deepEqual(JSON.parse(failedEnding('no', 1, true, false).text), { error: 'no', exit_code: 1 });
});
