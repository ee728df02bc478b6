// The vectors of `tests/vectors` through a build of the module: the assertions of `core/tests/vectors`, with the same named
// differences. It runs in Node and in a page.
import { bytesOf, equal, fail, fromBase64, fromHex, throws, toBase64 } from './check.mjs';

/** The areas and their lists; a file or a list that nobody reads fails. */
export const LISTS = {
  filter: ['cases'],
  format: ['cases'],
  index: ['cases'],
  parse: ['cases'],
  signing: ['cases'],
  small: ['sanitize', 'message_ids', 'keys'],
  trust: ['cases', 'owner_messages'],
  verify: ['cases'],
};

/** What a slim build can check. */
export const SLIM_CHECKS = ['parse', 'verify'];

/** What Python takes for white space. */
// eslint-disable-next-line no-control-regex -- some of it is control characters
const SPACE_AT_END = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/u;

const CHECKS = {
  filter(azall, { cases }) {
    for (const each of cases) {
      equal(azall.filterAccepts(each.filter, each.sender), each.accept, JSON.stringify(each));
    }
  },

  format(azall, { cases }) {
    for (const each of cases) {
      const { from_: from, to, subject, date, message_id, body } = each;
      const attachments = each.attachments ?? [];
      const format = () => azall.formatMessage({ from, to, subject, date, message_id, attachments, body });
      // What could break out of a header is refused.
      const isSafe = ![from, to, subject, date, message_id, ...attachments].some((value) =>
        /(?!\t)[\p{Cc}\u2028\u2029]/u.test(value),
      );
      if (isSafe) equal(format(), each.text, JSON.stringify(each));
      else throws('message', format, JSON.stringify(each));
    }
  },

  index(azall, { cases }) {
    for (const each of cases) checkIndex(azall, each);
  },

  parse(azall, { cases }) {
    for (const each of cases) {
      const message = azall.parseMessage(fromBase64(each.raw_b64));
      equal(message.body, each.body, JSON.stringify(each));
      const expected = each.header_order.map((name) => [name, each.headers[name]]);
      equal(message.headers, expected, JSON.stringify(each));
    }
  },

  signing(azall, { cases }) {
    for (const each of cases) {
      const opened = azall.verifyBody([], each.signed_body);
      // Difference: the reference rejects its own signatures of a body that ends in white space. Every one of them is good.
      const { verdict, envelope, fingerprint, text, before, after } = opened;
      equal(
        [verdict, envelope, fingerprint, text, before, after],
        ['body-only', 'version-1', each.fingerprint, each.body, '', ''],
        JSON.stringify(each),
      );
      const identity = azall.Identity.fromSeed(fromHex(each.private_key_hex));
      const stripped = each.body.replace(SPACE_AT_END, '');
      const sealed = azall.signBody(identity, each.body);
      // Difference: white space at the end is not signed, since no old reader would verify it.
      const expected = each.body === stripped ? each.signed_body : azall.signBody(identity, stripped);
      equal(sealed, expected, JSON.stringify(each));
      equal(azall.verifyBody([], sealed).verdict, 'body-only', JSON.stringify(each));
      identity.free();
    }
  },

  small(azall, { sanitize, message_ids, keys }) {
    for (const each of sanitize) equal(azall.sanitizeName(each.name), each.out, JSON.stringify(each));
    for (const each of message_ids) {
      const id = azall.newMessageId(each.from_, each.to, each.subject, each.iso_now, each.random_hex);
      equal(id, each.id, JSON.stringify(each));
    }
    for (const each of keys) {
      const identity = azall.Identity.fromSeed(fromHex(each.private_key_hex));
      equal(toBase64(identity.publicKey), each.public_key_b64, 'public key');
      equal(identity.fingerprint, each.fingerprint, 'fingerprint');
      equal(azall.fingerprintOf(identity.publicKey), each.fingerprint, 'fingerprint of bytes');
      equal(azall.fingerprintOf(each.public_key_b64), each.fingerprint, 'fingerprint of base64');
      const read = azall.Identity.parse(bytesOf(JSON.stringify(each)));
      equal(read.publicKey, identity.publicKey, 'public key of the file');
    }
  },

  trust(azall, { cases, owner_messages }) {
    for (const each of cases) {
      const token = azall.makeTrustToken(setting(each), fromHex(each.nonce_hex), each.machine_name);
      const { token: base64, armor, owner_secret, nonce } = token;
      const expected = [each.token_b64, each.armor, each.owner_auth_secret, each.nonce_hex];
      equal([base64, armor, owner_secret, nonce], expected, each.agent);
      for (const check of each.checks) checkToken(azall, each, check);
    }
    for (const each of owner_messages) {
      equal(azall.ownerSign(each.owner_auth_key, each.message), each.signature, each.message);
      equal(azall.ownerVerify(each.owner_auth_key, each.message, each.signature), true, each.message);
      equal(azall.ownerVerify(each.owner_auth_key, `${each.message} `, each.signature), false, each.message);
    }
  },

  verify(azall, { cases }) {
    let named = 0;
    for (const each of cases) {
      const opened = azall.verifyBody(Object.entries(each.headers), each.body);
      equal(opened.text, each.reference_unwrapped, JSON.stringify(each));
      if (each.why.includes('must be rejected')) {
        equal(azall.verifyBody([], each.body).verdict, 'invalid', JSON.stringify(each));
        named += 1;
      }
      // Difference: the reference does not hold the key against the fingerprint beside it.
      const isAnothers =
        opened.public_key && opened.fingerprint && azall.fingerprintOf(opened.public_key) !== opened.fingerprint;
      const expected = isAnothers ? 'invalid' : { true: 'body-only', false: 'invalid', null: 'unsigned' }[each.reference_verdict];
      equal(opened.verdict, expected, JSON.stringify(each));
    }
    if (named === 0) fail('verify', 'no wrong answer of the reference is named');
  },
};

function setting(each, check = {}) {
  return {
    agent: check.expected_agent ?? each.agent,
    agent_key: check.agent_key ?? each.agent_key,
    machine: check.machine_fp ?? each.machine_fp,
    now_ms: (check.at ?? each.now) * 1000,
  };
}

function checkToken(azall, each, check) {
  const inputs = { armor: each.armor, base64: each.token_b64 };
  const input = check.input === undefined ? check.token_b64 : inputs[check.input];
  const run = () => azall.checkTrustToken(input, setting(each, check));
  if (check.expect.valid) {
    equal(run().nonce, each.nonce_hex, check.what);
  } else {
    const refused = throws('trust', run, check.what);
    equal([refused.message, refused.exitCode], [check.expect.reason, 3], check.what);
  }
}

/** The files below a folder, by the rest of their path, in the order of their names. */
function below(files, folder) {
  const inside = Object.entries(files).filter(([path]) => path.startsWith(`${folder}/`));
  const rest = inside.map(([path, content]) => [path.slice(folder.length + 1), content]);
  return Object.fromEntries(rest.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Headers enough for the vectors: `Key: value` up to the line of three hyphens. */
function headersOf(content) {
  const lines = content.split('\n');
  const end = lines.findIndex((line) => line.trim() === '---');
  const headers = (end < 0 ? lines : lines.slice(0, end)).filter((line) => line.includes(':'));
  return headers.map((line) => [line.slice(0, line.indexOf(':')).trim(), line.slice(line.indexOf(':') + 1).trim()]);
}

function checkIndex(azall, each) {
  const now = { unix_ms: Date.parse(`${each.now.replace(' ', 'T')}Z`), offset_seconds: 0 };
  const own = below(each.files, each.agent);
  const list = (files, form) => Object.entries(files).map(([file, content]) => form(file, content));
  const messages = (day, folder) => list(below(day, folder), (file, content) => ({ file, headers: headersOf(content) }));
  const memories = (day) => list(below(day, 'remember'), (file, text) => ({ file, text }));
  const scripts = (folder) => {
    const all = below(own, folder);
    const names = Object.keys(all).filter((file) => file.endsWith('.py'));
    const description = (file) => azall.scriptDescription(bytesOf(all[file.replace('.py', '.meta.json')] ?? ''));
    return names.map((file) => ({ file, description: description(file) }));
  };
  const all = [];
  for (const [day, expected] of Object.entries(each.daily_index)) {
    const files = below(own, day);
    const text = azall.dayIndex({
      agent: each.agent,
      day,
      now,
      inbox: messages(files, 'inbox'),
      sent: messages(files, 'sent'),
      outbox: messages(files, 'outbox'),
      notes: list(below(files, 'notes'), (file, content) => ({ file, size: bytesOf(content).length })),
      memories: memories(files),
      has_identity: 'who_am_i/identity.txt' in files,
      has_tasks: 'what_am_i_doing/tasks.txt' in files,
      skills: scripts('skills'),
      tools: scripts('tools'),
    });
    equal(text, expected, `index of ${day}`);
    all.push(...memories(files).map((memory) => ({ day, ...memory })));
  }
  equal(azall.memoryIndex({ agent: each.agent, now, memories: all }), each.remember_index, 'index of memories');
}

/** Checks every case of some areas, `{area: vectors}`, and gives how many there were. */
export function checkVectors(azall, vectors, areas = Object.keys(CHECKS)) {
  let count = 0;
  for (const area of areas) {
    const lists = Object.keys(vectors[area]).filter((key) => Array.isArray(vectors[area][key]));
    equal(lists, LISTS[area], `lists of ${area}`);
    for (const list of lists) {
      if (vectors[area][list].length === 0) fail(area, `${list} is empty`);
      count += vectors[area][list].length;
    }
    CHECKS[area](azall, vectors[area]);
  }
  return count;
}
