// What each module asks of its host: its glue, and nothing else. No clock, no randomness, no network.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

import { moduleBytes, packages } from './builds.mjs';

function imports(bytes) {
  return WebAssembly.Module.imports(new WebAssembly.Module(bytes));
}

const PACKAGES = ['pkg-web', 'pkg-slim', 'pkg-node'];

for (const name of PACKAGES) {
  test(`imports of ${name}`, () => {
    const all = imports(moduleBytes(name));
    assert.deepEqual([...new Set(all.map((each) => each.module))], ['./azall_bg.js']);
    // The glue's names carry the name of what they call in JavaScript.
    const forbidden = /random|crypto|date|now|performance|time|fetch|request|process|window|document|global|self|eval/i;
    assert.deepEqual(all.map((each) => each.name).filter((each) => forbidden.test(each)), []);
    const glue = fs.readdirSync(path.join(packages, name)).find((file) => file === 'azall_glue.js') ?? 'azall.js';
    const text = fs.readFileSync(path.join(packages, name, glue), 'utf8');
    assert.doesNotMatch(text, /getRandomValues|Date\.now|new Date|Math\.random|performance\./);
  });
}

for (const name of PACKAGES) {
  test(`${name} says nothing of the machine that built it`, () => {
    const text = Buffer.from(moduleBytes(name)).toString('latin1');
    assert.ok(!text.includes(os.homedir() + path.sep), os.homedir());
  });
}

test('imports of azall.wasm', () => {
  const all = imports(fs.readFileSync(process.env.AZALL_WASM));
  assert.deepEqual([...new Set(all.map((each) => each.module))], ['wasi_snapshot_preview1']);
});

for (const [name, most] of [['pkg-web', 720_000], ['pkg-slim', 120_000]]) {
  test(`${name} is what its info says, and not larger than it may be`, () => {
    const info = fs.readFileSync(path.join(packages, name, 'azall_bg.wasm.info'), 'utf8');
    const number = (field) => Number(new RegExp(`^${field}: (\\d+)$`, 'm').exec(info)[1]);
    assert.equal(number('size'), moduleBytes(name).length);
    assert.ok(number('gzipped') <= most, `${number('gzipped')} bytes`);
    assert.match(info, /^compiler: rustc .+$/m);
    assert.match(info, /^wasm-bindgen: \d/m);
    assert.match(info, /^wasm-opt: wasm-opt version \d+/m);
  });
}
