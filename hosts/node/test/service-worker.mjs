// A service that ends its own process at a chosen point: node service-worker.mjs CONFIG handler|replying|sent|live
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

const handler = () => {
  if (how === 'handler') end();
  return 'answered';
};
// A process that is killed while it works on a message has begun it once more.
await service(mailbox, handler, { retries: how === 'handler' ? 2 : 50, interval: 1, backoffMs: 1, signal: stop.signal });
