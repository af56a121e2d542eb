import { afterAll, describe, expect, test } from 'bun:test';
import { gatewayInProcess, type InProcessOptions } from '../support/gateway-in-process.ts';

const closers: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of closers.splice(0)) await close();
});

async function start(options: InProcessOptions = {}) {
  // A clock that stands still: no bucket is refilled.
  const clock = {
    now: () => 0,
    wallTime: () => Date.UTC(2026, 0, 1),
    sleep: () => Promise.withResolvers<void>().promise,
  };
  const made = await gatewayInProcess({ clock, ...options });
  closers.push(() => made.close());
  const statuses = async (count: number, address: string, headers: Record<string, string> = {}) => {
    const seen: number[] = [];
    for (let sent = 0; sent < count; sent += 1) {
      const { status } = await made.call('GET', '/v1/models', { key: made.adminKey, address, headers });
      seen.push(status);
    }
    return {
      allowed: seen.filter((one) => one === 200).length,
      refused: seen.filter((one) => one === 429).length,
    };
  };
  return { ...made, statuses };
}

describe('limits of addresses without configuration', () => {
  test('a burst of 100 requests, then 429', async () => {
    const { statuses } = await start();
    expect(await statuses(150, '192.0.2.1')).toEqual({ allowed: 100, refused: 50 });
    expect(await statuses(10, '192.0.2.2')).toEqual({ allowed: 10, refused: 0 });
  });

  test('loopback is exempt, a trusted proxy too, and the clients behind it are not', async () => {
    const { statuses } = await start({ config: { server: { trusted_proxies: ['10.9.0.1'] } } });
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.9.0.1']) {
      expect(await statuses(150, address)).toEqual({ allowed: 150, refused: 0 });
    }
    const forwarded = { 'x-forwarded-for': '192.0.2.3' };
    expect(await statuses(150, '10.9.0.1', forwarded)).toEqual({ allowed: 100, refused: 50 });
  });

  test('routes that do not exist count, health checks do not', async () => {
    const { call } = await start();
    const count = async (path: string, address: string) => {
      let refused = 0;
      for (let sent = 0; sent < 120; sent += 1) {
        if ((await call('GET', path, { address })).status === 429) refused += 1;
      }
      return refused;
    };
    expect(await count('/nowhere', '192.0.2.4')).toBe(20);
    expect(await count('/health', '192.0.2.5')).toBe(0);
  });

  test('10 requests a minute per address, as the documentation shows', async () => {
    const { statuses } = await start({ config: { limits: { per_ip: { rps: 0.1667, burst: 10 } } } });
    expect(await statuses(12, '192.0.2.6')).toEqual({ allowed: 10, refused: 2 });
  });
});

test('ORG_DAILY_REQUEST_LIMIT limits each tenant, unless it has a daily limit of its own', async () => {
  const { call, adminKey } = await start({ env: { ORG_DAILY_REQUEST_LIMIT: '3' } });
  const created = async (id: string, more: object) => {
    const tenant = await call('POST', '/admin/v1/tenants', { key: adminKey, body: { id, ...more } });
    expect(tenant.status).toBe(201);
    const made = await call('POST', `/admin/v1/tenants/${id}/keys`, { key: adminKey, body: { name: 'k' } });
    return String(made.body.key);
  };
  const keys = [
    await created('plain', { tier: null }),
    await created('tiered', { tier: 'pro' }),
    await created('own', { tier: null, limits: [{ of: 'requests', per: 'day', max: 5 }] }),
  ];
  const allowed: number[] = [];
  for (const key of keys) {
    let passed = 0;
    for (let sent = 0; sent < 7; sent += 1) {
      const body = { model: 'simulator', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 1 };
      if ((await call('POST', '/v1/chat/completions', { key, body })).status === 200) passed += 1;
    }
    allowed.push(passed);
  }
  expect(allowed).toEqual([3, 3, 5]);
});
