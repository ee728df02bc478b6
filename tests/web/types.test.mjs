// The declarations: a program compiles with them, and they leave out nothing that the core has.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

import { installed, packages, readAll, root, transcriptsFolder } from './builds.mjs';

const read = (name) => fs.readFileSync(path.join(root, name), 'utf8');

/** A folder with the packages beside it, as an application has them. */
function application(context) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'azall-types-'));
  context.after(() => fs.rmSync(folder, { recursive: true }));
  fs.mkdirSync(path.join(folder, 'node_modules'));
  for (const name of ['web', 'slim', 'node']) {
    fs.symlinkSync(path.join(packages, `pkg-${name}`), path.join(folder, 'node_modules', `azall-wasm-${name}`));
  }
  fs.writeFileSync(path.join(folder, 'package.json'), '{"type": "module"}');
  return folder;
}

/** Has the compiler look at a program in a folder. */
function compile(folder, program) {
  const options = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    noImplicitReturns: true,
    noEmit: true,
    skipLibCheck: false,
    target: 'es2022',
    lib: ['es2022', 'dom'],
    module: 'nodenext',
    typeRoots: [path.join(installed, '@types')],
    types: ['node'],
  };
  fs.writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: [program] }));
  const tsc = spawnSync(path.join(installed, '.bin/tsc'), ['--project', folder], { encoding: 'utf8' });
  assert.equal(tsc.status, 0, tsc.stdout + tsc.stderr);
}

test('a program compiles with the types of each package', (context) => {
  const folder = application(context);
  fs.copyFileSync(path.join(root, 'tests/web/consumer.ts'), path.join(folder, 'consumer.ts'));
  compile(folder, 'consumer.ts');
});

/** What was recorded as a literal of a program: bytes are any bytes. */
const literal = (recorded) => JSON.stringify(recorded).replace(/\{"\$bytes":"[^"]*"\}/g, 'new Uint8Array()');

/** A declaration that compiles if what was recorded is of a type. */
const declared = (name, type, recorded) => `export const ${name}: ${type} = ${literal(recorded)};`;

test('commands, steps and answers that were recorded of the core are of the types', (context) => {
  const lines = ["import type { Answer, CommandOf, Step } from 'azall-wasm-node';"];
  for (const [index, { command, opening, running }] of Object.values(readAll(transcriptsFolder)).entries()) {
    const name = `'${command.command}'`;
    const entries = [...opening, ...running];
    lines.push(
      declared(`command${index}`, `CommandOf<${name}>`, command),
      declared(`steps${index}`, `Step<${name}>[]`, entries.flatMap(({ step }) => step ?? [])),
      declared(`answers${index}`, 'Answer[]', entries.flatMap(({ answer }) => answer ?? [])),
    );
  }
  assert.ok(lines.length > 50, `${lines.length}`);
  const folder = application(context);
  fs.writeFileSync(path.join(folder, 'recorded.ts'), lines.join('\n'));
  compile(folder, 'recorded.ts');
});

const types = Object.fromEntries(
  fs.readdirSync(path.join(root, 'bindings/wasm/types')).map((name) => [name, read(`bindings/wasm/types/${name}`)]),
);

/** The keys of an interface of the declarations. */
function keysOf(file, name) {
  const body = new RegExp(`^export interface ${name} \\{\\n([\\s\\S]*?)^\\}`, 'm').exec(types[file])[1];
  return [...body.matchAll(/^ {2}'?([A-Za-z-]+)'?\??:/gm)].map((match) => match[1]).sort();
}

/** `TrustGen` as `trust-gen`. */
const kebab = (name) => name.replace(/(?<=.)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();

test('every command of the core has its arguments and its outcome', () => {
  const list = /^commands! \{\n([\s\S]*?)^\}/m.exec(read('core/src/command/mod.rs'))[1];
  const commands = [...list.matchAll(/^ {4}([A-Z]\w+)\(/gm)].map((match) => kebab(match[1])).sort();
  assert.ok(commands.length >= 40, `${commands.length}`);
  assert.deepEqual(keysOf('commands.d.ts', 'CommandArguments'), commands);
  assert.deepEqual(keysOf('outcomes.d.ts', 'CommandOutcomes'), commands);
});

test('every effect of the core has its fields and its answer', () => {
  const list = /^effects! \{\n([\s\S]*?)^\}/m.exec(read('core/src/engine/effect.rs'))[1];
  const effects = [...list.matchAll(/^ {4}([A-Z]\w+) =>/gm)].map((match) => match[1]).sort();
  assert.ok(effects.length >= 11, `${effects.length}`);
  assert.deepEqual(keysOf('effects.d.ts', 'EffectFields'), effects);
  assert.deepEqual(keysOf('effects.d.ts', 'EffectAnswers'), effects);
});

/** What Rust calls a field by is what the declarations call it by. */
test('every effect has the fields that the core gives it', () => {
  const source = read('core/src/engine/effect.rs');
  const body = /^export interface EffectFields \{\n([\s\S]*?)^\}/m.exec(types['effects.d.ts'])[1];
  for (const kind of keysOf('effects.d.ts', 'EffectFields').filter((kind) => kind !== 'HostFacts')) {
    const struct = new RegExp(`^pub struct ${kind} \\{\\n([\\s\\S]*?)^\\}`, 'm').exec(source)[1];
    const fields = [...struct.matchAll(/^ {4}pub (\w+):/gm)].map((match) => match[1]);
    const declared = new RegExp(`^ {2}${kind}: \\{ (.*) \\};`, 'm').exec(body)[1];
    assert.deepEqual([...declared.matchAll(/(\w+): /g)].map((match) => match[1]), fields, kind);
  }
});

test('no declaration takes just anything', () => {
  for (const [name, text] of Object.entries(types)) {
    const code = text.replace(/\/\*\*[\s\S]*?\*\/|\/\/.*$/gm, '').replace(/'[^']*'/g, "''");
    assert.doesNotMatch(code, /\b(any|unknown|Function)\b/, name);
  }
});
