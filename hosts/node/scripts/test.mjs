// Runs the tests over each core that the package holds.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const cores = ['native', 'wasm'].filter((core) => fs.existsSync(`${root}/${core}`));
if (cores.length === 0) {
  process.stderr.write('there is no core to test: run scripts/core.mjs first\n');
  process.exit(1);
}
const tests = fs
  .readdirSync(`${root}/test`)
  .filter((name) => name.endsWith('.test.mjs'))
  .map((name) => `test/${name}`);
let failed = false;
for (const core of cores) {
  process.stdout.write(`# core: ${core}\n`);
  const ran = spawnSync(process.execPath, ['--test', ...process.argv.slice(2), ...tests], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, AZALL_CORE: core },
  });
  failed ||= ran.status !== 0;
}
process.exit(failed ? 1 : 0);
