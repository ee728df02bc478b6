// A service that ends its own process at a chosen point: node service-worker.mjs CONFIG handler|both|bomb|replying|sent|live
import process from 'node:process';

import { Mailbox, service } from '../dist/index.js';
import { Tickets } from '../dist/tickets.js';

const [config, how] = process.argv.slice(2);
const end = () => process.kill(process.pid, 'SIGKILL');
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
process.stdout.write('from here on SIGTERM is heard\n');
const mailbox = await Mailbox.open(config);

const { save } = Tickets.prototype;
Tickets.prototype.save = async function (ticket) {
  await save.call(this, ticket);
  if (how === 'replying' && ticket.state === 'replying') end();
};
const { reply } = Mailbox.prototype;
Mailbox.prototype.reply = async function (...of) {
  const sent = await reply.apply(this, of);
  if (how === 'sent') end();
  return sent;
};

/** How many messages were begun with. */
let begun = 0;

const handler = async ({ subject }) => {
  begun += 1;
  if (how === 'handler') end();
  // Two are worked on beside each other, and neither comes to its end, before one of them takes the process down.
  while (how === 'both' && (begun < 2 || subject !== 'bomb')) await new Promise((resolve) => setTimeout(resolve, 10));
  if (['both', 'bomb'].includes(how) && subject === 'bomb') end();
  return 'answered';
};
// A process that is killed while it works on a message has begun it once more.
const retries = { handler: 2, both: 1, bomb: 1 }[how] ?? 50;
await service(mailbox, handler, { retries, concurrency: 2, interval: 1, backoffMs: 1, signal: stop.signal });
