// Sends files, from the disk and from memory, and keeps those that came.
//
//     node attachments.mjs FOLDER TO FILE
import fs from 'node:fs/promises';
import process from 'node:process';

import { Mailbox } from 'azall';

const [folder, to, file] = process.argv.slice(2);
const mailbox = await Mailbox.open(folder);
const { id } = await mailbox.send({
  to,
  subject: 'Two files',
  body: 'The report, and its source.',
  attachments: [file, { name: 'source.json', bytes: Buffer.from('{"made": "here"}') }],
});
process.stdout.write(`sent ${id}\n`);

for (const row of (await mailbox.inbox({ unread: true })).messages) {
  const message = await mailbox.read(row.id);
  for (const { name, path, size } of message.attachments) {
    // Its name was made safe when it came; its content is the sender's.
    if (size === null) continue;
    const bytes = await fs.readFile(path);
    process.stdout.write(`${message.from} sent ${name}, ${bytes.length} bytes\n`);
  }
}
