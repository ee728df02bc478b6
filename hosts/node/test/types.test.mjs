// The declarations that the package takes from `bindings/wasm/types`: what they promise of the core, this core has.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import ts from 'typescript';

import { core } from '../dist/core.js';
import { packageFolder } from './support.mjs';

const file = path.join(packageFolder, 'types/core.d.ts');
const { statements } = ts.createSourceFile(file, fs.readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022);

/** Whether a member belongs to the class itself, not to its objects. */
const isStatic = (member) => member.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword) === true;

/** The names of members that are declared, of a class and of what is merged into it. */
function declared(name, wanted) {
  const parts = statements.filter((each) => each.name?.text === name);
  const members = parts.flatMap((part) => [...part.members]).filter((member) => member.name !== undefined && isStatic(member) === wanted);
  return [...new Set(members.map((member) => member.name.text))].toSorted();
}

test('the core has every function and every class, and nothing else', () => {
  const names = statements.filter((each) => ts.isFunctionDeclaration(each) || ts.isClassDeclaration(each)).map(({ name }) => name.text);
  // The glue of the WebAssembly build shows how it was loaded.
  const had = Object.keys(core).filter((name) => !['default', 'initSync'].includes(name));
  assert.deepEqual(had.toSorted(), [...new Set(names)].toSorted());
});

test('the classes have every method and every property', () => {
  const classes = statements.filter(ts.isClassDeclaration).map(({ name }) => name.text);
  assert.ok(classes.length >= 6, classes.join());
  // Memory is the WebAssembly build's own affair.
  const ofMemory = ['constructor', 'free', 'clone'];
  for (const name of classes) {
    const had = Object.getOwnPropertyNames(core[name].prototype).filter((each) => !ofMemory.includes(each) && !each.startsWith('__'));
    assert.deepEqual(had.toSorted(), declared(name, false), name);
    const own = Object.getOwnPropertyNames(core[name]).filter((each) => typeof core[name][each] === 'function' && !each.startsWith('__'));
    assert.deepEqual(own.toSorted(), declared(name, true), name);
  }
});
