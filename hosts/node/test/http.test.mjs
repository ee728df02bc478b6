// HTTP requests: limits, no redirects, and no secret in a message.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, test } from 'node:test';
import zlib from 'node:zlib';

import { httpHandler } from '../dist/http.js';

const seen = [];
const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const url = request.url.split('?')[0];
    seen.push({ url, method: request.method, headers: request.headers, body: Buffer.concat(chunks).toString() });
    if (url === '/redirect') response.writeHead(302, { location: '/elsewhere' }).end('go');
    else if (url === '/big') response.end(Buffer.alloc(2_000));
    else if (url === '/stream') response.write(Buffer.alloc(900), () => response.end(Buffer.alloc(900)));
    else if (url === '/packed') response.writeHead(200, { 'x-kind': 'packed' }).end(zlib.gzipSync('x'));
    else if (url === '/cut') response.writeHead(200, { 'content-length': '100' }).write('half', () => request.socket.destroy());
    else if (url === '/slow') response.writeHead(200, { 'content-length': '100' }).write('half');
    else if (url === '/broken') request.socket.destroy();
    else if (url !== '/never') response.writeHead(404, { 'X-Answer': 'yes' }).end('no');
  });
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const host = `127.0.0.1:${server.address().port}`;
after(() => {
  server.closeAllConnections();
  server.close();
});

const send = httpHandler('azall/test');
const ask = (path, how = {}, over = new AbortController().signal) =>
  send({ method: 'GET', url: `http://${host}${path}`, headers: [], body: new Uint8Array(), limit: 1_000, timeout_ms: 10_000, ...how }, over);

test('any status is an answer, and headers and body go as they are', async () => {
  const answer = await ask('/x?secret=1', { method: 'POST', headers: [['authorization', 'Bearer t']], body: Buffer.from('hi') });
  assert.equal(answer.status, 404);
  assert.equal(Buffer.from(answer.body).toString(), 'no');
  assert.ok(answer.headers.some(([name, value]) => name === 'x-answer' && value === 'yes'));
  const { method, headers, body } = seen.at(-1);
  assert.deepEqual([method, headers.authorization, headers['user-agent'], body], ['POST', 'Bearer t', 'azall/test', 'hi']);
  await ask('/empty', { method: 'POST' });
  assert.equal(seen.at(-1).headers['content-length'], '0');
});

test('redirects are not followed', async () => {
  const { status, headers } = await ask('/redirect');
  assert.equal(status, 302);
  assert.ok(headers.some(([name, value]) => name === 'location' && value === '/elsewhere'));
  assert.ok(!seen.some(({ url }) => url === '/elsewhere'));
});

test('more than the limit is not taken, announced or not', async () => {
  for (const path of ['/big', '/stream']) {
    await assert.rejects(ask(path), { kind: 'too_large', message: `${host}: the answer is larger than 1000 bytes` }, path);
  }
  assert.equal((await ask('/big', { limit: 2_000 })).body.length, 2_000);
});

test('of half a body there is what came', async () => {
  const cut = await ask('/cut');
  assert.deepEqual([cut.status, Buffer.from(cut.body).toString(), cut.broken?.kind], [200, 'half', 'unreachable']);
  const slow = await ask('/slow', { timeout_ms: 300 });
  assert.deepEqual([Buffer.from(slow.body).toString(), slow.broken?.kind], ['half', 'timed_out']);
  assert.ok(!('broken' in (await ask('/x'))));
});

test('failures tell their kind and neither path nor header', async () => {
  await assert.rejects(ask('/never?secret', { timeout_ms: 50 }), { kind: 'timed_out', message: `${host}: no answer within the time limit` });
  await assert.rejects(ask('/broken?secret', { headers: [['authorization', 'secret']] }), (error) => error.kind === 'unreachable' && !error.message.includes('secret'));
  await assert.rejects(ask('', { url: 'http://127.0.0.1:9/secret' }), (error) => !error.message.includes('secret'));
  await assert.rejects(ask('', { url: 'http://no-such-host.invalid/' }), { kind: 'unreachable' });
  for (const url of ['file:///etc/passwd', 'no url', 'data:,x']) await assert.rejects(ask('', { url }), { kind: 'other', message: 'not a URL' }, url);
  await assert.rejects(ask('/x', { headers: [['x', 'a\r\nb: c']] }), (error) => error.kind === 'other');
});

test('what nobody waits for is ended', async () => {
  const over = new AbortController();
  const asked = ask('/never', {}, over.signal);
  over.abort();
  await assert.rejects(asked, { name: 'EffectError' });
  await assert.rejects(ask('/never', {}, AbortSignal.abort()), { name: 'EffectError' });
});
