// A service agent without any model: it answers each message with statistics of its text, and of attached text files.
//
//     npm install azall
//     node statistics.mjs ./agent statistics
//
// The first word is the folder of its mailbox, made if it is not there; the second its name. It runs until it is interrupted.
import fs from 'node:fs/promises';
import process from 'node:process';

import { Mailbox, service } from 'azall';

/** Numbers about a text. */
export function statistics(text) {
  const words = text.toLowerCase().match(/[\p{L}\p{N}’'-]+/gu) ?? [];
  const counts = new Map();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const frequent = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, 5);
  return {
    characters: [...text].length,
    lines: text === '' ? 0 : text.split('\n').length,
    words: words.length,
    different_words: counts.size,
    frequent: Object.fromEntries(frequent),
  };
}

const shown = (name, { characters, lines, words, different_words: different, frequent }) =>
  `${name}: ${lines} lines, ${words} words (${different} different), ${characters} characters\n` +
  `most frequent: ${Object.entries(frequent).map(([word, count]) => `${word} (${count})`).join(', ') || 'none'}`;

/** The answer to a message. */
export async function answer(message) {
  const all = { message: statistics(message.text) };
  for (const { name, path, size } of message.attachments) {
    if (size === null || size > 10_000_000) throw new Error(`${name} is not there, or larger than 10 MB`);
    all[name] = statistics(await fs.readFile(path, 'utf8'));
  }
  return {
    body: Object.entries(all).map(([name, found]) => shown(name, found)).join('\n\n'),
    attachments: [{ name: 'statistics.json', bytes: Buffer.from(JSON.stringify(all, null, 2)) }],
  };
}

if (process.argv[1] === (await import('node:url')).fileURLToPath(import.meta.url)) {
  const [folder = '.', agent = 'statistics'] = process.argv.slice(2);
  await fs.mkdir(folder, { recursive: true });
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort());
  const mailbox = await Mailbox.open(folder, { create: { agent, identity: 'I count words.' } });
  process.stderr.write(`${mailbox.address} serves; interrupt to stop\n`);
  const report = await service(mailbox, answer, {
    concurrency: 4,
    retries: 3,
    interval: 2,
    signal: stop.signal,
    onPutAside: (id, reason) => process.stderr.write(`message ${id} was put aside: ${reason}\n`),
  });
  process.stdout.write(`${JSON.stringify(report)}\n`);
}
