// Transcripts of whole commands: answered the same, a build asks, tells and gives exactly the same. It runs in Node and in a page.
import { equal, fail, fromBase64, toBase64 } from './check.mjs';

/** Data from a transcript: bytes are `{"$bytes": BASE64}`. */
function fromJson(json) {
  if (json === null || typeof json !== 'object') return json;
  if (Array.isArray(json)) return json.map(fromJson);
  if ('$bytes' in json) return fromBase64(json.$bytes);
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, fromJson(value)]));
}

/** Data as a transcript has it. */
function toJson(value) {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Uint8Array) return { $bytes: toBase64(value) };
  if (Array.isArray(value)) return value.map(toJson);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, toJson(field)]));
}

/** What an operation does at a moment: a step, or what it throws. */
function advance(op, now) {
  try {
    return { now, step: toJson(op.poll(now)) };
  } catch (error) {
    const { code, exitCode: exit_code, message } = error;
    return { now, thrown: { code, exit_code, message } };
  }
}

/** The names of an object's fields in order: a transcript may have them in another one. */
function ordered(value) {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(ordered);
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, ordered(value[name])]));
}

function drive(name, op, steps) {
  for (const [at, recorded] of steps.entries()) {
    if (recorded.id !== undefined) op.resume(recorded.id, fromJson(recorded.answer));
    else equal(ordered(advance(op, recorded.now)), ordered(recorded), `${name}, entry ${at}`);
  }
}

/** Replays a transcript to its end, and gives how many entries it had. */
export function replay(azall, name, transcript) {
  const { file_name, config_shown, agent } = transcript.open;
  const opening = azall.Op.open(file_name, config_shown, agent);
  drive(name, opening, transcript.opening);
  const config = opening.takeConfig();
  equal(config.agent, agent, name);
  config.setMailboxesShown(transcript.mailboxes_shown);
  const op = new azall.Op(fromJson(transcript.command), config);
  drive(name, op, transcript.running);
  const last = transcript.running.at(-1);
  if (last.thrown === undefined && last.step.step !== 'done') fail(name, 'the transcript does not end');
  for (const used of [opening, config, op]) used.free();
  return transcript.opening.length + transcript.running.length;
}
