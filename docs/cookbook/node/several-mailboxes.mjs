// Several agents in one process, beside each other in one mailboxes folder: they reach each other without any network.
//
//     node several-mailboxes.mjs FOLDER
import path from 'node:path';
import process from 'node:process';

import { Mailbox } from 'azall';

const folder = process.argv[2];
const names = ['planner', 'coder', 'tester'];
const agents = await Promise.all(
  names.map((name) => Mailbox.open(path.join(folder, `${name}.json`), { create: { agent: name, identity: `I am the ${name}.` } })),
);
const [planner, ...others] = agents;
await planner.send({ to: others.map(({ address }) => address), subject: 'Plan', body: 'Build it, then test it.' });
for (const agent of others) {
  const { messages } = await agent.inbox();
  for (const { id } of messages) {
    const { text } = await agent.read(id);
    await agent.doing(text);
    await agent.reply(id, 'I am on it.');
  }
}
const { messages } = await planner.inbox();
process.stdout.write(`${messages.map(({ from, subject }) => `${from}: ${subject}`).toSorted().join('\n')}\n`);
