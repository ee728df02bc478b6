// An agent that serves: each message gets one answer, even if the process is killed in between.
//
//     node service-agent.mjs FOLDER
import process from 'node:process';

import { Mailbox, service } from 'azall';

const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
process.once('SIGINT', () => stop.abort());

const mailbox = await Mailbox.open(process.argv[2]);
const report = await service(mailbox, ({ text }) => text.toUpperCase(), {
  concurrency: 4,
  retries: 3,
  interval: 1,
  // Only what is signed by its sender.
  accepts: (row) => row.verdict === 'valid',
  onPutAside: (id, reason) => process.stderr.write(`${id} was put aside: ${reason}\n`),
  signal: stop.signal,
});
process.stdout.write(`${JSON.stringify(report)}\n`);
