// Files to send along.

import path from 'node:path';

import type { Attachment as Content } from '../types/core.js';
import { AzallError } from './errors.js';
import { readFileBounded } from './reading.js';
import { words } from './system.js';

/** A file to send along: its path, or its name and content. */
export type Attachment = string | Content;

/** The most bytes of a file, as on the command line. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Attachments with their content: files are read. */
export function attachedAll(attachments: readonly Attachment[] = [], signal?: AbortSignal): Promise<Content[]> {
  return Promise.all(attachments.map((attachment) => attached(attachment, signal)));
}

async function attached(attachment: Attachment, signal: AbortSignal | undefined): Promise<Content> {
  signal?.throwIfAborted();
  if (typeof attachment !== 'string') return attachment;
  try {
    return { name: path.basename(attachment), bytes: await readFileBounded(attachment, MOST_BYTES, signal) };
  } catch (error) {
    signal?.throwIfAborted();
    throw new AzallError('file', `cannot read ${attachment}: ${words(error)}`);
  }
}
