// The core's own tests of the vectors, compiled for WASI, in Node with the folder of the vectors and nothing else.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { WASI } from 'node:wasi';

import { vectorsFolder } from './builds.mjs';

test('the vectors under WASI', async (context) => {
  const output = path.join(os.tmpdir(), `azall-wasi-${process.pid}.txt`);
  context.after(() => fs.rmSync(output, { force: true }));
  const file = fs.openSync(output, 'w');
  const wasi = new WASI({
    version: 'preview1',
    args: ['vectors', '--test-threads=1'],
    env: { AZALL_VECTORS: '/vectors' },
    preopens: { '/vectors': vectorsFolder },
    returnOnExit: true,
    stdout: file,
    stderr: file,
  });
  const module = await WebAssembly.compile(fs.readFileSync(process.env.AZALL_WASI_VECTORS));
  const code = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
  fs.closeSync(file);
  const said = fs.readFileSync(output, 'utf8');
  assert.equal(code, 0, said);
  assert.match(said, /test result: ok\. \d\d passed; 0 failed; 0 ignored/);
});
