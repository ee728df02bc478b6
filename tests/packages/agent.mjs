// An agent over the Node package: calls come as lines of JSON on standard input, results go as lines of JSON to standard output.

import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const { AzallError, Mailbox } = await import(pathToFileURL(path.join(process.env.AZALL_PACKAGE, 'dist', 'index.js')).href);

/** What a call of the table is here. */
const CALLS = {
  address: (mailbox) => mailbox.address,
  whoami: (mailbox, { text }) => mailbox.whoami(text),
  doing: (mailbox, { text, append }) => mailbox.doing(edit(text, append)),
  note: (mailbox, { name, text, append }) => mailbox.note(name, edit(text, append)),
  remember: (mailbox, { text, title }) => mailbox.remember(text, { title }),
  recall: (mailbox, { query, ...options }) => mailbox.recall(query, options),
  inbox: (mailbox, options) => mailbox.inbox(options),
  send: (mailbox, { attachments, ...mail }) => mailbox.send({ ...mail, attachments: files(attachments) }),
  reply: (mailbox, { id, ...reply }) => mailbox.reply(id, reply),
  read: (mailbox, { id, ...options }) => mailbox.read(id, options),
  search: (mailbox, { query, ...options }) => mailbox.search(query, options),
  sync: (mailbox) => mailbox.sync(),
  'keyring.list': (mailbox) => mailbox.keyring.list(),
  'keyring.show': (mailbox, { fingerprint }) => mailbox.keyring.show(fingerprint),
  'filter.state': (mailbox) => mailbox.filter.state(),
  'filter.block': (mailbox, { pattern }) => mailbox.filter.block(pattern),
  'filter.unblock': (mailbox, { pattern }) => mailbox.filter.unblock(pattern),
  'filter.allow': (mailbox, { pattern }) => mailbox.filter.allow(pattern),
  'filter.mode': (mailbox, { mode }) => mailbox.filter.mode(mode),
  'trust.status': (mailbox) => mailbox.trust.status(),
  'trust.bind': (mailbox, { owner, token }) => mailbox.trust.bind(owner, token),
  'trust.revoke': (mailbox) => mailbox.trust.revoke(),
};

const edit = (text, append) => (text === undefined ? append && { append } : { set: text });
const files = (attachments = {}) =>
  Object.entries(attachments).map(([name, text]) => ({ name, bytes: new Uint8Array(Buffer.from(text, 'base64')) }));

const mailbox = await Mailbox.open(process.argv[3], { agent: process.argv[2] });
for await (const line of createInterface({ input: process.stdin })) {
  const { call, args } = JSON.parse(line);
  let answer;
  try {
    answer = { gave: (await CALLS[call](mailbox, args)) ?? null };
  } catch (error) {
    if (!(error instanceof AzallError)) throw error;
    answer = { failed: { code: error.code, message: error.message } };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
mailbox.close();
