// A program that uses the packages, for the compiler alone: what the types promise must do for a host.
import { type CommandName, CommandLine, Config, type Effect, type Answer, type EffectKind, Identity, Op, type Step, eventLine, failedEnding, signMessage, verify, type AzallError } from 'azall-wasm-node';
import init, { initSync, Op as WebOp } from 'azall-wasm-web';
import load, { verifyBody } from 'azall-wasm-slim';

const files = new Map<string, Uint8Array>();

/** Answers an effect; each kind knows its own fields and its own answer. */
function answer(effect: Effect): Answer {
  switch (effect.kind) {
    case 'ReadFile': {
      const bytes = files.get(`${effect.place.root}/${effect.place.path}`);
      return bytes ? { Ok: bytes } : { Err: { kind: 'not_found', message: 'there is no such file' } };
    }
    case 'ReadMany':
      return { Ok: effect.names.map(() => ({ Ok: { bytes: new Uint8Array(effect.limit), truncated: false } })) };
    case 'List':
      return { Ok: [{ name: 'a', kind: 'file', size: 0, modified_ms: 0 }] };
    case 'WriteAtomic':
    case 'Append':
      files.set(effect.place.path, effect.bytes);
      return { Ok: null };
    case 'Rename':
      return { Ok: effect.exclusive ? null : null };
    case 'Remove':
      return { Ok: null };
    case 'Random':
      return { Ok: crypto.getRandomValues(new Uint8Array(effect.count)) };
    case 'HostFacts':
      return { Ok: { machine_name: 'm', system: 'Linux', fingerprint_parts: [], process: '1' } };
    case 'Http':
    case 'RunScript':
      return { Err: { kind: 'unsupported', message: 'not here' } };
    default:
      return unknown(effect);
  }
}

/** No kind is left. */
function unknown(effect: never): never {
  throw new Error(`unknown effect ${String(effect)}`);
}

function now() {
  return { unix_ms: Date.now(), offset_seconds: 0 };
}

type LastStep<N extends CommandName> = Exclude<Step<N>, { step: 'effect' | 'event' | 'wait' }>;

function drive<N extends CommandName>(op: Op<N>): LastStep<N> {
  for (;;) {
    const step = op.poll(now());
    if (step.step === 'effect') op.resume(step.id, answer(step.effect));
    else if (step.step === 'event') console.log(eventLine(step.level, step.text, false, true, false)?.text);
    else if (step.step !== 'wait') return step;
  }
}

const opening = Op.open('config.json', '/a/config.json', null);
drive(opening);
const config: Config = opening.takeConfig();

const inbox = drive(new Op({ command: 'inbox', arguments: { all: true } }, config));
if (inbox.step === 'done') {
  const subjects: string[] = inbox.outcome.messages.map((message) => message.subject);
  console.log(subjects, inbox.exit_code);
}
const sent = drive(new Op({ command: 'send', arguments: { to: ['a@b'], subject: 's', body: 'b' } }, config));
if (sent.step === 'done') {
  for (const recipient of sent.outcome.recipients) {
    if (recipient.state === 'queued') console.log(recipient.reason, recipient.next_try);
  }
}
new Op({ command: 'doctor' }, config);
new Op({ command: 'keyring', arguments: 'list' }, config);
// @ts-expect-error: there is no such command
new Op({ command: 'rememebr' }, config);
// @ts-expect-error: a query is missing
new Op({ command: 'search', arguments: {} }, config);
// @ts-expect-error: an answer is Ok or Err
opening.resume(1, { OK: null });

const { line, ending } = CommandLine.parse(process.argv.slice(2));
if (ending) {
  process.exitCode = ending.code;
} else {
  console.log(line.configPath(process.env['AGENTAZALL_CONFIG'] ?? null), line.sources().length, line.isForNative);
  const started = line.start([null], config);
  if (started.op) console.log(drive(started.op), started.op.ending(line.json, !line.noColor).text);
}

const identity = Identity.fromSeed(new Uint8Array(32));
const headers = { from: 'a@b', to: ['c@d'], date: '2026-03-11 14:30:00', message_id: 'abcdef012345' };
const verdict = verify(new TextEncoder().encode(signMessage(identity, headers, 'text')), {
  [identity.fingerprint]: identity.publicKey,
});
if (verdict.verdict === 'valid') console.log(verdict.headers?.['Subject']);

try {
  verifyBody([['From', 'a@b']], 'text');
} catch (error) {
  const { code, exitCode, message } = error as AzallError;
  console.error(failedEnding(message, exitCode, false, false).text, code);
}

const kinds: EffectKind[] = ['ReadFile'];
export async function inBrowser(): Promise<void> {
  await init();
  await load({ module_or_path: new URL('azall_bg.wasm', 'http://localhost/') });
  initSync({ module: new Uint8Array() });
  const op = WebOp.open('config.json', 'config.json');
  console.log(op.poll(now()).step, kinds);
  // @ts-expect-error: there is no command line in the browser
  op.ending(true, true);
}
