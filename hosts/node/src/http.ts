// HTTP requests by `fetch`. It needs nothing of Node.

import { EffectError, type EffectOf, type HttpAnswer } from './effects.js';

/** What `fetch` says of failures below HTTP: its message tells nothing, its cause does. */
const TLS_CODES = /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/;

/** Answers `Http`. Any status is an answer; redirects are not followed. Messages name the peer, and neither the path nor any header. */
export function httpHandler(userAgent: string): (effect: EffectOf<'Http'>, over: AbortSignal) => Promise<HttpAnswer> {
  return async (effect, over) => {
    const url = parse(effect.url);
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), effect.timeout_ms);
    const stop = () => limit.abort();
    over.addEventListener('abort', stop);
    if (over.aborted) stop();
    const failed = (error: unknown) => failure(url, error, limit.signal.aborted);
    try {
      return await call(url, effect, userAgent, limit.signal, failed);
    } catch (error) {
      throw failed(error);
    } finally {
      clearTimeout(timer);
      over.removeEventListener('abort', stop);
    }
  };
}

function parse(text: string): URL {
  try {
    const url = new URL(text);
    if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  } catch {
    // Told below, without quoting it.
  }
  throw new EffectError('other', 'not a URL');
}

async function call(
  url: URL,
  effect: EffectOf<'Http'>,
  userAgent: string,
  signal: AbortSignal,
  failed: (error: unknown) => EffectError,
): Promise<HttpAnswer> {
  const headers = new Headers(effect.headers);
  if (!headers.has('user-agent')) headers.set('user-agent', userAgent);
  // Nothing is to be unpacked on the way. Where a server packs it all the same, what comes out is counted.
  if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'identity');
  // Without a body a POST still says that its length is 0: not every server takes it otherwise.
  const hasBody = effect.body.length > 0 || ['POST', 'PUT', 'PATCH'].includes(effect.method);
  const body = hasBody ? new Uint8Array(effect.body) : null;
  const answer = await fetch(url, { method: effect.method, headers, body, redirect: 'manual', signal });
  const head = { status: answer.status, headers: [...answer.headers] };
  const { body: came, error } = await readBody(answer, effect.limit);
  if (error === undefined) return { ...head, body: came };
  const { kind, message } = failed(error);
  return { ...head, body: came, broken: { kind, message } };
}

/** Reads a body, or as much of it as comes, and what kept the rest from coming. */
async function readBody(answer: Response, limit: number): Promise<{ body: Uint8Array; error?: unknown }> {
  const tooLarge = () => new EffectError('too_large', `the answer is larger than ${limit} bytes`);
  if (Number(answer.headers.get('content-length') ?? 0) > limit && answer.body !== null) {
    await answer.body.cancel();
    throw tooLarge();
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader: ReadableStreamDefaultReader<Uint8Array> | undefined = answer.body?.getReader();
  try {
    for (let read = await reader?.read(); read !== undefined && !read.done; read = await reader?.read()) {
      length += read.value.length;
      if (length > limit) {
        await reader?.cancel();
        throw tooLarge();
      }
      chunks.push(read.value);
    }
  } catch (error) {
    if (error instanceof EffectError || length === 0) throw error;
    return { body: joined(chunks, length), error };
  }
  return { body: joined(chunks, length) };
}

function joined(chunks: Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** A failed call in the core's terms. */
function failure(url: URL, error: unknown, timedOut: boolean): EffectError {
  const peer = url.host;
  const of = (kind: EffectError['kind'], words: string) => new EffectError(kind, `${peer}: ${words}`);
  if (error instanceof EffectError) return of(error.kind, error.message);
  if (timedOut) return of('timed_out', 'no answer within the time limit');
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return of('unreachable', 'no such host');
  if (code === 'ECONNREFUSED') return of('unreachable', 'Connection refused');
  if (TLS_CODES.test(code)) return of('tls', code.toLowerCase().replaceAll('_', ' '));
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return of('too_large', 'the answer’s headers are too large');
  if (/TIMEOUT|ETIMEDOUT/.test(code)) return of('timed_out', 'no answer within the time limit');
  if (code.startsWith('HPE_')) return of('other', 'not a good HTTP exchange');
  if (cause === undefined) return of('other', 'the request cannot be sent');
  return of('unreachable', 'no connection, or it broke');
}
