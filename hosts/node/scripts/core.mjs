// Puts the core beside the package: the addon of this platform, and the WebAssembly build where there is one.
//
//     node scripts/core.mjs --addon FILE [--wasm FOLDER]
//
// FILE is the library that cargo has built of `azall-node`; FOLDER is the WebAssembly package for Node: `azall.js` with what it loads.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({ options: { addon: { type: 'string' }, wasm: { type: 'string' } } });
if (values.addon === undefined && values.wasm === undefined) {
  process.stderr.write('usage: node scripts/core.mjs --addon FILE [--wasm FOLDER]\n');
  process.exit(2);
}
if (values.addon !== undefined) {
  fs.rmSync(path.join(root, 'native'), { recursive: true, force: true });
  fs.mkdirSync(path.join(root, 'native'));
  fs.copyFileSync(values.addon, path.join(root, 'native', `azall.${process.platform}-${process.arch}.node`));
}
if (values.wasm !== undefined) {
  const folder = path.join(root, 'wasm');
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder);
  for (const name of fs.readdirSync(values.wasm)) {
    if (/\.(js|wasm)$/.test(name)) fs.copyFileSync(path.join(values.wasm, name), path.join(folder, name));
  }
}
