// Begins a build: empties `dist`, lest a module that is no more be packed, and puts the declarations of the core beside the package, as
// one module, `types/core.d.ts`. They are written once, in `bindings/wasm/types`, for every build of the core; those of loading the module
// and of giving its memory back are true of the WebAssembly builds alone.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const OF_WEBASSEMBLY_ALONE = ['load.d.ts', 'memory.d.ts', 'command-line-memory.d.ts'];

const root = fileURLToPath(new URL('..', import.meta.url));
const source = path.join(root, '../../bindings/wasm/types');
const names = fs.readdirSync(source).filter((name) => name.endsWith('.d.ts') && !OF_WEBASSEMBLY_ALONE.includes(name));
const declarations = names.toSorted().map((name) => fs.readFileSync(path.join(source, name), 'utf8'));
fs.rmSync(path.join(root, 'dist'), { recursive: true, force: true });
fs.mkdirSync(path.join(root, 'types'), { recursive: true });
fs.writeFileSync(path.join(root, 'types/core.d.ts'), declarations.join('\n'));
