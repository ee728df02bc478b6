// Comparing, in Node and in a page alike.

/** Fails with what was being looked at. */
export function fail(what, why) {
  throw new Error(`${what}: ${why}`);
}

/** Bytes as text that tells them apart from text; everything else as it is. */
function comparable(_key, value) {
  if (value instanceof Uint8Array) return { $bytes: toBase64(value) };
  return typeof value === 'bigint' ? { $bigint: String(value) } : value;
}

/** Whether two values are the same data, the order of fields included. */
export function equal(actual, expected, what) {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(value, comparable));
  if (a !== b) fail(what, `${a} is not ${b}`);
}

/** Whether a function throws an AzallError of a kind, which is given back. */
export function throws(code, run, what) {
  let value;
  try {
    value = run();
  } catch (error) {
    equal([error.name, error.code], ['AzallError', code], `${what}: ${error.message}`);
    equal(error instanceof Error && Number.isInteger(error.exitCode), true, what);
    return error;
  }
  return fail(what, `gave ${JSON.stringify(value, comparable)}`);
}

export function toBase64(bytes) {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

export function fromBase64(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

export function fromHex(hex) {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function bytesOf(text) {
  return new TextEncoder().encode(text);
}
