// The builds for the browser in a real one, headless: the vectors, and whole commands.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import test, { after, before } from 'node:test';

import { packages, readAll, requireInstalled, root, transcriptsFolder, vectorsFolder } from './builds.mjs';

const { chromium } = requireInstalled('playwright-core');

const TYPES = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

/** Serves the packages and these tests' own modules, to this machine alone. */
const server = http.createServer((request, response) => {
  const name = path.posix.normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname));
  if (name === '/') {
    response.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': "default-src 'self' 'wasm-unsafe-eval'" });
    response.end('<!doctype html><title>azall</title>');
    return;
  }
  const file = name.startsWith('/pkg-') ? path.join(packages, name) : path.join(root, 'tests/web', name);
  fs.readFile(file, (error, bytes) => {
    response.writeHead(error ? 404 : 200, { 'content-type': TYPES[path.extname(name)] ?? 'text/plain' });
    response.end(bytes);
  });
});

let browser;
let page;
const problems = [];

before(async () => {
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  browser = await chromium.launch({ executablePath: process.env.AZALL_CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
  page = await browser.newPage();
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
});

after(async () => {
  await browser?.close();
  server.close();
});

/** Loads a build in the page. */
async function load(name) {
  await page.evaluate(async (name) => {
    const build = await import(`/${name}/azall.js`);
    await build.default();
    globalThis.azall = build;
  }, name);
}

test('the vectors in Chromium', async () => {
  await load('pkg-web');
  const vectors = readAll(vectorsFolder);
  const check = async (vectors) => (await import('/vectors.mjs')).checkVectors(globalThis.azall, vectors);
  assert.ok((await page.evaluate(check, vectors)) > 100);
});

test('whole commands in Chromium', async () => {
  await load('pkg-web');
  for (const [name, transcript] of Object.entries(readAll(transcriptsFolder))) {
    const replay = async ([name, transcript]) => (await import('/replay.mjs')).replay(globalThis.azall, name, transcript);
    assert.ok((await page.evaluate(replay, [name, transcript])) > 2, name);
  }
});

test('the slim build in Chromium', async () => {
  await load('pkg-slim');
  const check = async (vectors) => {
    const { SLIM_CHECKS, checkVectors } = await import('/vectors.mjs');
    return checkVectors(globalThis.azall, vectors, SLIM_CHECKS);
  };
  assert.ok((await page.evaluate(check, readAll(vectorsFolder))) > 10);
});

test('a command in a worker', async () => {
  /* global location, Worker -- this runs in the page */
  const run = () => {
    const source = `
      import init, { Op, version } from '${location.origin}/pkg-web/azall.js';
      await init();
      const op = Op.open('config.json', 'config.json');
      postMessage([version(), op.poll({ unix_ms: 0, offset_seconds: 0 })]);`;
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' });
    return new Promise((done, failed) => {
      worker.onmessage = (message) => done(message.data);
      worker.onerror = (error) => failed(new Error(error.message));
    });
  };
  const other = await browser.newPage();
  await other.route('**/worker-page', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
  await other.goto(`http://127.0.0.1:${server.address().port}/worker-page`);
  const [version, step] = await other.evaluate(run);
  assert.equal(version, '0.1.0');
  assert.deepEqual([step.step, step.effect.kind], ['effect', 'ReadFile']);
});

test('nothing went wrong in the page', () => {
  assert.deepEqual(problems, []);
});
