// A nightly backup: the whole state in one file for its owner alone. It holds the private key: keep it as safe as the mailbox itself.
//
//     node export.mjs FOLDER ARCHIVE
import process from 'node:process';

import { Mailbox } from 'azall';

const [folder, archive] = process.argv.slice(2);
const mailbox = await Mailbox.open(folder);
const { path, files, bytes } = await mailbox.export(archive);
process.stdout.write(`${path}: ${files} files, ${bytes} bytes\n`);
