// Gives up what takes too long. What was done until then stays done: an aborted `send` may still be delivered later, since the message
// was queued before it was sent.
//
//     node abort.mjs FOLDER MILLISECONDS
import process from 'node:process';

import { AzallError, Mailbox } from 'azall';

const [folder, ms] = process.argv.slice(2);
// A request under way gets another second: what a relay is handing out it may have deleted.
const mailbox = await Mailbox.open(folder, { graceMs: 1_000 });
try {
  const synced = await mailbox.sync({ signal: AbortSignal.timeout(Number(ms)) });
  process.stdout.write(`in time: ${synced.received} received\n`);
} catch (error) {
  if (error instanceof AzallError) throw error;
  process.stdout.write(`${error.name}: the relays were too slow\n`);
}
