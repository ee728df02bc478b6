// What commands give, held against the declarations: every command runs over files in memory, and the compiler looks at its outcome.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import { node, root } from './builds.mjs';
import { application, compile, declared } from './compiled.mjs';
import { Files } from './memory_host.mjs';

const ADA = 'ada@localhost';
const PYTHON = 'print("hello")\n';

/** Commands in an order in which each has something to show; a function is given the outcomes so far. */
const COMMANDS = [
  ['quickstart', { agent: ADA, identity: 'I am Ada.' }],
  ['guide', 'prompt'],
  ['remember', { store: { text: 'OAuth2', title: 'api' } }],
  ['remember', 'list'],
  ['recall', {}],
  ['recall', { query: 'oauth' }],
  ['address', {}],
  ['doing', { edit: { set: 'a task' } }],
  ['doing', {}],
  ['whoami', {}],
  ['note', { name: 'n', edit: { append: 'text' } }],
  ['note', { name: 'n' }],
  ['notes', {}],
  ['send', { to: [ADA], subject: 'Hi', body: 'Text', attachments: [{ name: 'a.bin', bytes: new Uint8Array([0, 255]) }] }],
  ['send', { to: ['bob.agenttalk'], subject: 'Out', body: 'Text' }],
  ['inbox', {}],
  ['inbox', { all: true }],
  ['read', (done) => ({ id: done.send.id, raw: true })],
  ['reply', (done) => ({ id: done.send.id, body: 'Yes' })],
  ['search', { query: 'Text' }],
  ['startup', {}],
  ['dates', {}],
  ['directory', {}],
  ['tree', {}],
  ['daemon', { once: true }],
  ['crypto-identity', {}],
  ['doctor', {}],
  ['export', { output: 'a.zip' }],
  ['import', (done) => ({ archive: done.archive })],
  ['scripts', { kind: 'tool', action: { add: { name: 't', code: PYTHON, description: 'd', version: '1', shared: false } } }],
  ['scripts', { kind: 'tool', action: { promote: { name: 't' } } }],
  ['scripts', { kind: 'tool', action: { list: { shared_only: false } } }],
  ['scripts', { kind: 'tool', action: { read: { name: 't' } } }],
  ['scripts', { kind: 'tool', action: { run: { name: 't', args: [] } } }],
  ['filter', { changes: [{ mode: 'blacklist' }, { add: ['blacklist', '*@spam'] }] }],
  ['index', {}],
  ['index', { rebuild: true }],
  ['keyring', 'list'],
  ['sign', { text: 'word', format: 'envelope' }],
  ['verify', (done) => ({ text: done.sign.signed })],
  ['verify', { text: 'nothing' }],
  ['trust-gen', {}],
  ['trust-verify', (done) => ({ token: done['trust-gen'].token })],
  ['trust-bind', (done) => ({ owner: 'olga', token: done['trust-gen'].token })],
  ['trust-status', {}],
  ['trust-revoke', { yes: true }],
  ['trust-bind-local', { owner: 'olga' }],
  ['trust-bind-all', { owner: 'olga' }],
  ['held', 'list'],
  ['relay', 'list'],
  ['status', {}],
  ['setup', { agent: 'eve' }],
];

/** What needs a relay; a transcript has it, or the tests of the package for Node. */
const ELSEWHERE = ['register'];

/** Every command that the declarations know. */
function commandNames() {
  const declarations = fs.readFileSync(path.join(root, 'bindings/wasm/types/outcomes.d.ts'), 'utf8');
  const body = /^export interface CommandOutcomes \{\n([\s\S]*?)^\}/m.exec(declarations)[1];
  return [...body.matchAll(/^ {2}'?([A-Za-z-]+)'?:/gm)].map((match) => match[1]).sort();
}

class Machine extends Files {
  now(effect) {
    if (effect.kind === 'HostFacts') {
      return { Ok: { machine_name: 'm', system: 'Linux', fingerprint_parts: ['a', 'b'], process: '1' } };
    }
    if (effect.kind !== 'RunScript') return super.now(effect);
    const bytes = new Uint8Array([104, 105, 10]);
    return { Ok: { code: 0, timed_out: false, stdout: bytes, stderr: new Uint8Array(), truncated: false } };
  }
}

test('what every command gives is of its type', async (context) => {
  const [machine, done, lines] = [new Machine(), {}, []];
  for (const [index, [command, given]] of COMMANDS.entries()) {
    const args = typeof given === 'function' ? given(done) : given;
    const step = await machine.run(node, { command, arguments: args }).catch((error) => {
      throw new Error(`${command} ${JSON.stringify(args)}: ${error.code}: ${error.message}`);
    });
    done[command] ??= step.outcome;
    done.archive ??= step.file?.bytes;
    lines.push(declared(`command${index}`, `CommandOf<'${command}'>`, { command, arguments: args }));
    lines.push(declared(`done${index}`, `DoneStep<'${command}'>`, step));
  }
  const tried = new Set([...COMMANDS.map(([command]) => command), ...ELSEWHERE]);
  assert.deepEqual([...tried].sort(), commandNames());
  const folder = application(context);
  const program = ["import type { CommandOf, DoneStep } from 'azall-wasm-node';", ...lines].join('\n');
  fs.writeFileSync(path.join(folder, 'outcomes.ts'), program);
  compile(folder, 'outcomes.ts');
});
