// Lets in nobody but those on a list; patterns may have `*` and `?`.
//
//     node whitelist.mjs FOLDER PATTERN...
import process from 'node:process';

import { Mailbox } from 'azall';

const [folder, ...patterns] = process.argv.slice(2);
const mailbox = await Mailbox.open(folder);
for (const pattern of patterns) await mailbox.filter.allow(pattern);
await mailbox.filter.mode('whitelist');
const { mode, whitelist } = await mailbox.filter.state();
process.stdout.write(`${mode}: ${whitelist.join(', ')}\n`);
