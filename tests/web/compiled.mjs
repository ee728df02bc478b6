// Programs in TypeScript that the compiler looks at, with the packages' declarations.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { installed, packages } from './builds.mjs';

/** A folder with the packages beside it, as an application has them. */
export function application(context) {
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
export function compile(folder, program) {
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

/** Bytes as a transcript has them. */
const plain = (_key, value) => (value instanceof Uint8Array ? { $bytes: '' } : value);

/** What was recorded as a literal of a program: bytes are any bytes. */
const literal = (recorded) => JSON.stringify(recorded, plain).replace(/\{"\$bytes":"[^"]*"\}/g, 'new Uint8Array()');

/** A declaration that compiles if what was recorded is of a type. */
export const declared = (name, type, recorded) => `export const ${name}: ${type} = ${literal(recorded)};`;
