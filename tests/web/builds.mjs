// The builds under test, and what they are tested with.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** A place that `cargo xtask test` tells by the environment. */
function told(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these tests by \`cargo xtask test\``);
  return value;
}

/** The folder that holds the packages. */
export const packages = told('AZALL_WASM_PACKAGES');

/** The sources. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** A package that was installed for the tests. */
export const requireInstalled = createRequire(path.join(told('AZALL_NODE_MODULES'), '..', 'any.js'));

export const installed = told('AZALL_NODE_MODULES');

/** The build for Node, which loads itself. */
export const node = await import(pathToFileURL(path.join(packages, 'pkg-node', 'azall.js')));

/** A build for the browser, loaded from its bytes. */
async function loaded(name) {
  const build = await import(pathToFileURL(path.join(packages, name, 'azall.js')));
  build.initSync({ module: moduleBytes(name) });
  return build;
}

export function moduleBytes(name) {
  return fs.readFileSync(path.join(packages, name, 'azall_bg.wasm'));
}

export const web = await loaded('pkg-web');
export const slim = await loaded('pkg-slim');

/** Every JSON file of a folder of tests, by its name without the ending. */
export function readAll(folder) {
  const names = fs.readdirSync(folder).filter((name) => name.endsWith('.json'));
  const read = (name) => JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'));
  return Object.fromEntries(names.sort().map((name) => [name.slice(0, -'.json'.length), read(name)]));
}

/** Other vectors of the same form must pass too. */
export const vectorsFolder = process.env.AZALL_VECTORS || path.join(root, 'tests/vectors');
export const transcriptsFolder = path.join(root, 'tests/transcripts');
