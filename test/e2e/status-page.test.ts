import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { expectError } from './harness.ts';
import { done } from './helpers/admin.ts';

/** What Firefox and Chrome send when an address is typed. */
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ config: { server: { console: false } } });
});
afterAll(() => gateway?.stop());

const get = (path: string, accept: string, method = 'GET') =>
  fetch(gateway.url + path, { method, headers: { accept }, redirect: 'manual' });

describe.each(['/', '/console'])('%s', (path) => {
  test('is a page for browsers', async () => {
    const response = await get(path, BROWSER);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('vary')).toBe('accept');
    const html = await response.text();
    expect(html).toContain('This one is ready');
    for (const link of ['/docs', '/openapi.json', '/health']) expect(html).toContain(`href="${link}"`);
    expect(html).toContain(`curl ${gateway.url}/v1/chat/completions`);
    expect(html).toContain('keys create');
    expect((await get(path, BROWSER, 'HEAD')).status).toBe(200);
  });

  test('loads nothing, and its policy forbids what it does not need', async () => {
    const response = await get(path, BROWSER);
    const html = await response.text();
    const policy = response.headers.get('content-security-policy') ?? '';
    const [, style = ''] = /<style>(.*?)<\/style>/s.exec(html) ?? [];
    expect(policy).toContain(`style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(html).not.toMatch(/<script|\son\w+=|style="/i);
    const addresses = [...html.matchAll(/https?:\/\/[^\s<"']+/g)].map(([address]) => address);
    expect(addresses.filter((address) => !address.startsWith(gateway.url))).toEqual([]);
  });

  test.each(['*/*', 'application/json', ''])('is JSON for clients that accept %p', async (accept) => {
    const error = await expectError(await get(path, accept), 404, 'not_found');
    expect(error.message).toContain('/docs');
  });
});

test('the icon is an image of 16 by 16 pixels', async () => {
  const response = await get('/favicon.ico', 'image/*');
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('image/x-icon');
  const view = new DataView(await response.arrayBuffer());
  expect([view.getUint16(0, true), view.getUint16(2, true), view.getUint16(4, true)]).toEqual([0, 1, 1]);
  expect([view.getUint8(6), view.getUint8(7)]).toEqual([16, 16]);
  expect(view.getUint32(18, true) + view.getUint32(14, true)).toBe(view.byteLength);
});

test('without documentation the page has no link to it', async () => {
  const plain = await startGateway({ config: { server: { docs: false, console: false } } });
  const html = await (await fetch(plain.url, { headers: { accept: BROWSER } })).text();
  await plain.stop();
  expect(html).not.toContain('/openapi.json');
  expect(html).toContain('href="/health"');
});

test('behind a trusted proxy with TLS, addresses and cookies are those of TLS', async () => {
  const behind = await startGateway({
    config: { server: { trusted_proxies: ['127.0.0.1'], console: false } },
  });
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.7' };
  try {
    const html = await (await fetch(behind.url, { headers: { ...headers, accept: BROWSER } })).text();
    expect(html).toContain(`curl https://${new URL(behind.url).host}/v1/chat/completions`);
    await done(behind, 'POST', '/users', { email: 'jo@weir.test', name: 'Jo', password: 'a long password' });
    const signIn = (more: Record<string, string>) =>
      fetch(`${behind.url}/v1/auth/sign-in`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...more },
        body: JSON.stringify({ email: 'jo@weir.test', password: 'a long password' }),
      });
    expect((await signIn(headers)).headers.get('set-cookie')).toContain('; Secure');
    expect((await signIn({})).headers.get('set-cookie')).not.toContain('; Secure');
  } finally {
    await behind.stop();
  }
});
