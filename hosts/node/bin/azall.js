#!/usr/bin/env node
// The `azall` command.
import process from 'node:process';

try {
  const { run } = await import('../dist/cli.js');
  // What may still be under way (an idle connection) holds nobody up.
  process.exit(await run(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
