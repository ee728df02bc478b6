// The declarations: a program compiles with them, and they leave out nothing that the core has.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import { readAll, root, transcriptsFolder } from './builds.mjs';
import { application, compile, declared } from './compiled.mjs';

const read = (name) => fs.readFileSync(path.join(root, name), 'utf8');

test('a program compiles with the types of each package', (context) => {
  const folder = application(context);
  fs.copyFileSync(path.join(root, 'tests/web/consumer.ts'), path.join(folder, 'consumer.ts'));
  compile(folder, 'consumer.ts');
});

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
