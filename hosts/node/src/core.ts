// The core: the native addon where there is one for this platform, else the WebAssembly build; both give the same results.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { AzallError } from './errors.js';

/** What the addon and the WebAssembly build export. */
export type Core = typeof import('../types/core.js');

const require = createRequire(import.meta.url);

/** Where the addon of this platform would be. */
function addonPath(): string {
  return fileURLToPath(new URL(`../native/azall.${process.platform}-${process.arch}.node`, import.meta.url));
}

/** Where the WebAssembly build would be. */
function wasmPath(): string {
  return fileURLToPath(new URL('../wasm/azall.js', import.meta.url));
}

/** Which of the two is loaded. */
export let coreKind: 'native' | 'wasm';

async function load(): Promise<Core> {
  const wanted = process.env.AZALL_CORE ?? '';
  if (!['', 'native', 'wasm'].includes(wanted)) {
    throw new AzallError('usage', `AZALL_CORE is native or wasm, not ${JSON.stringify(wanted)}`, 2);
  }
  const problems: string[] = [];
  for (const [kind, path] of [['native', addonPath()], ['wasm', wasmPath()]] as const) {
    if (wanted !== '' && wanted !== kind) continue;
    if (!existsSync(path)) {
      problems.push(`there is no ${path}`);
      continue;
    }
    try {
      const loaded = kind === 'native' ? (require(path) as Core) : ((await import(pathToFileURL(path).href)) as Core);
      coreKind = kind;
      return loaded;
    } catch (error) {
      // An addon for another C library or an older system: the WebAssembly build does the same.
      problems.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new AzallError('no-core', `azall's core cannot be loaded on ${process.platform}-${process.arch}: ${problems.join('; ')}`);
}

/** The core of this process. */
export const core: Core = await load();
