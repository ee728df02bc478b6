// Tells of messages as they arrive, those that were not read yet first. At a relay it waits without asking again and again.
//
//     node watch.mjs FOLDER [COUNT]
import process from 'node:process';

import { Mailbox } from 'azall';

const [folder, count = 'Infinity'] = process.argv.slice(2);
const mailbox = await Mailbox.open(folder, { onEvent: ({ level, text }) => level === 'warning' && process.stderr.write(`${text}\n`) });
let left = Number(count);
for await (const { from, subject, verdict } of mailbox.watch({ unread: true, interval: 1 })) {
  process.stdout.write(`${from}: ${subject} (${verdict})\n`);
  left -= 1;
  if (left === 0) break;
}
