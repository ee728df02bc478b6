// Runs azall.wasm for scenarios: one request a line on standard input, one answer a line on standard output.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { WASI } from 'node:wasi';

const module = await WebAssembly.compile(fs.readFileSync(process.argv[2]));
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'azall-node-'));

/** Runs one command in an instance of its own. */
async function run({ words, root, folder, stdin, env }) {
  const file = (name) => path.join(scratch, name);
  fs.writeFileSync(file('stdin'), Buffer.from(stdin, 'hex'));
  const input = fs.openSync(file('stdin'), 'r');
  const output = fs.openSync(file('stdout'), 'w');
  const notices = fs.openSync(file('stderr'), 'w');
  const wasi = new WASI({
    version: 'preview1',
    args: ['azall', ...words],
    env: { ...env, PWD: folder },
    preopens: { [root]: root },
    returnOnExit: true,
    stdin: input,
    stdout: output,
    stderr: notices,
  });
  let code;
  try {
    code = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
  } catch (error) {
    fs.writeSync(notices, `trap: ${error.stack}\n`);
    code = 134;
  }
  for (const descriptor of [input, output, notices]) fs.closeSync(descriptor);
  const hex = (name) => fs.readFileSync(file(name)).toString('hex');
  return { code, stdout: hex('stdout'), stderr: hex('stderr') };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`);
}
fs.rmSync(scratch, { recursive: true });
