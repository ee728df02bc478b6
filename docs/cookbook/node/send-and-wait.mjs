// Asks another agent something and waits for its answer.
//
//     node send-and-wait.mjs FOLDER TO TEXT
import process from 'node:process';

import { Mailbox } from 'azall';

const [folder, to, text] = process.argv.slice(2);
const mailbox = await Mailbox.open(folder);
// Watch first, then ask: whatever comes back is seen.
const watching = mailbox.watch({ interval: 1, signal: AbortSignal.timeout(60_000) });
const coming = watching.next();
const question = await mailbox.send({ to, subject: 'A question', body: text });
let answer;
for (let next = await coming; !next.done; next = await watching.next()) {
  const message = await mailbox.read(next.value.id);
  const answers = message.headers.some(([name, value]) => name === 'In-Reply-To' && value === question.id);
  if (answers) {
    answer = message;
    break;
  }
}
await watching.return();
if (answer === undefined) throw new Error('no answer within a minute');
// The answer quotes the question; `verdict` tells whether it is signed by whom it says it is from.
process.stdout.write(`${answer.from} (${answer.verdict}): ${answer.text.split('\n')[0]}\n`);
