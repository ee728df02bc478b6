// Reading what a program or a person names: files and streams, as whole as they are, up to a limit.

import { createReadStream } from 'node:fs';

/** Reads a file of any kind, which may have no more than so many bytes. */
export function readFileBounded(file: string, limit: number, signal?: AbortSignal): Promise<Uint8Array> {
  return readBounded(createReadStream(file, { signal }), limit);
}

/** Reads a stream to its end, which may give no more than so many bytes. */
export async function readBounded(stream: AsyncIterable<Buffer | string>, limit: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    length += bytes.length;
    if (length > limit) throw new Error(`it has more than ${limit} bytes`);
    chunks.push(bytes);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
