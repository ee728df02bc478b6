// A memory for a language model: what it says is worth keeping is remembered, and what it asks about is recalled. The model here is a
// stand-in; put a real one in its place.
//
//     node memory-loop.mjs FOLDER
import process from 'node:process';

import { Mailbox } from 'azall';

/** A model that remembers what it is told, and answers questions from its memories. */
function model({ memories, input }) {
  const told = /^remember that (.*)$/i.exec(input);
  if (told) return { remember: told[1], say: 'Noted.' };
  const asked = /^what about (.*)\?$/i.exec(input);
  if (asked && memories === undefined) return { recall: asked[1] };
  return { say: memories?.length ? `I know: ${memories.join('; ')}` : 'I do not know.' };
}

const mailbox = await Mailbox.open(process.argv[2]);
for (const input of ['Remember that the key rotates on Monday', 'Remember that tests run at night', 'What about key?', 'What about lunch?']) {
  let turn = model({ input });
  if (turn.recall !== undefined) {
    const { memories } = await mailbox.recall(turn.recall, { limit: 3 });
    turn = model({ input, memories: memories.map(({ text }) => text) });
  }
  if (turn.remember !== undefined) await mailbox.remember(turn.remember);
  process.stdout.write(`> ${input}\n${turn.say}\n`);
}
