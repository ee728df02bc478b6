// Verifies message files without a mailbox: what each signature proves.
//
//     node verify-file.mjs FILE...
import fs from 'node:fs/promises';
import process from 'node:process';

import { verify } from 'azall/protocol';

let code = 0;
for (const file of process.argv.slice(2)) {
  const found = verify(new Uint8Array(await fs.readFile(file)));
  process.stdout.write(`${file}: ${found.verdict}${found.fingerprint === null ? '' : ` by ${found.fingerprint}`}\n`);
  // `body-only` proves the text, but not who sent it to whom.
  if (found.verdict === 'valid') process.stdout.write(`  ${found.headers.From}: ${found.headers.Subject}\n`);
  else code = 1;
  if (found.reason !== null) process.stdout.write(`  ${found.reason}\n`);
}
process.exitCode = code;
