import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildGuide } from '../../scripts/guide.mjs';
import { gatewayInProcess, type InProcessGateway } from '../../test/support/gateway-in-process.ts';
import { readGuide } from './guide.ts';

let gateway: InProcessGateway;
beforeAll(async () => {
  if (!buildGuide()) throw new Error('the guide could not be built');
  gateway = await gatewayInProcess();
}, 120_000);
afterAll(() => gateway?.close());

const get = (path: string, headers = {}) => gateway.call('GET', path, { headers });

test('serves each page without a key, with its own policy', async () => {
  for (const [path, title] of [
    ['/docs/guide', 'Weir'],
    ['/docs/guide/', 'Weir'],
    ['/docs/guide/limits', 'Limits'],
    ['/docs/guide/deployment', 'Deployment'],
    ['/docs/guide/decisions', 'Decisions'],
  ] as const) {
    const { status, headers, text } = await get(path);
    expect([path, status, headers.get('content-type')]).toEqual([path, 200, 'text/html; charset=utf-8']);
    expect(text).toContain(`>${title}`);
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(text).not.toMatch(/<style|style="|<script(?! type="module" src=)/);
  }
});

test('serves Markdown and a list of all pages for language models', async () => {
  const { status, text } = await get('/llms.txt');
  expect(status).toBe(200);
  const links = [...text.matchAll(/\]\((\/docs\/guide\/[^)]+)\)/g)].map(([, path]) => path ?? '');
  expect(links.length).toBeGreaterThan(30);
  for (const path of links) {
    const page = await get(path);
    expect([path, page.status, page.headers.get('content-type')]).toEqual([
      path,
      200,
      'text/markdown; charset=utf-8',
    ]);
  }
});

test('compresses for clients that accept it', async () => {
  const plain = await get('/docs/guide/api');
  const zipped = await get('/docs/guide/api', { 'accept-encoding': 'gzip' });
  expect(zipped.headers.get('content-encoding')).toBe('gzip');
  expect(plain.headers.get('content-encoding')).toBeNull();
  expect(plain.headers.get('vary')).toBe('accept-encoding');
});

test('knows no other files', async () => {
  for (const path of [
    '/docs/guide/nothing',
    '/docs/guide/../../package.json',
    '/docs/guide/%2e%2e/build.js',
  ]) {
    expect([path, (await get(path)).status]).toEqual([path, 404]);
  }
});

test('a guide is there when a whole build is', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-guide-'));
  try {
    expect(await readGuide(join(folder, 'none'))).toBeUndefined();
    mkdirSync(join(folder, 'assets'));
    expect(await readGuide(folder)).toBeUndefined();
    writeFileSync(join(folder, 'index.html'), '<p>');
    expect([...((await readGuide(folder))?.keys() ?? [])]).toEqual(['index.html']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
