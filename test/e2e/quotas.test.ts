import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRecord } from '../../src/core/json.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { hangAfter, status } from '../support/scripts.ts';
import { chat, chunk, completion, eventually, metric, mockConfig, post } from './harness.ts';
import { admin, dataOf, done } from './helpers/admin.ts';

/** Input 3 and output 2 tokens, as the mock tells: 3 * 1 + 2 * 10 = 23 millionths of a dollar. */
const PRICES = [{ model: 'upstream-chat', input: '1', output: '10' }];

let mock: MockUpstream;
let gateway: Gateway;
const dataDir = mkdtempSync(join(tmpdir(), 'weir-quotas-'));

const config = () => mockConfig(mock.url, { prices: PRICES });

beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways(completion());
  gateway = await startGateway({ config: config(), dataDir });
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

type Limits = readonly Readonly<Record<string, unknown>>[];
let tenants = 0;

/** A tenant of its own, and a key of it. */
async function tenant(settings: Readonly<Record<string, unknown>>, keyLimits: Limits = []) {
  tenants += 1;
  const id = `t${tenants}`;
  await done(gateway, 'POST', '/tenants', { id, tier: null, ...settings });
  const { key } = await done(gateway, 'POST', `/tenants/${id}/keys`, { name: 'k', limits: keyLimits });
  return { id, key: String(key) };
}

const ask = (key: string, body = chat({ max_tokens: 5 }), headers: Record<string, string> = {}) =>
  post(gateway, body, { headers: { authorization: `Bearer ${key}`, ...headers } });

async function statuses(key: string, times: number): Promise<number[]> {
  const all = await Promise.all(Array.from({ length: times }, () => ask(key)));
  await Promise.all(all.map((response) => response.arrayBuffer()));
  return all.map(({ status }) => status).sort();
}

async function refused(response: Response): Promise<Record<string, unknown>> {
  const body: unknown = await response.json();
  if (!isRecord(body) || !isRecord(body.error)) throw new Error(JSON.stringify(body));
  return { status: response.status, ...body.error };
}

describe('limits', () => {
  test('on requests let so many through at once, and say how they stand', async () => {
    const { key } = await tenant({ tier: 'free' });
    const first = await ask(key);
    expect(first.headers.get('x-ratelimit-limit')).toBe('10');
    expect(first.headers.get('x-ratelimit-remaining')).toBe('9');
    expect(await statuses(key, 12)).toEqual([...Array.from({ length: 9 }, () => 200), 429, 429, 429]);
    const last = await ask(key);
    expect(Number(last.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(last.headers.get('x-weir-limit')).toBe('tenant; requests per minute');
    expect(await refused(last)).toMatchObject({
      status: 429,
      code: 'rate_limit_exceeded',
      message: expect.stringContaining('10 requests per minute for this tenant (tier "free")'),
      limit: { scope: 'tenant', of: 'requests', per: 'minute', max: 10, remaining: 0 },
    });
    expect(await metric(gateway, 'llm_rate_limit_exceeded_total\\{scope="tenant"\\}')).toBeGreaterThan(0);
  });

  test('on tokens count what was used, and not what was reserved', async () => {
    const { key } = await tenant({ limits: [{ of: 'tokens', per: 'day', max: 200 }] });
    // Each reserves far more than the 5 tokens that it uses in the end; one after the other, 10 use 50.
    for (let round = 0; round < 10; round += 1) expect((await ask(key)).status).toBe(200);
    const large = await ask(key, chat({ max_tokens: 500 }));
    expect(await refused(large)).toMatchObject({
      status: 429,
      code: 'quota_exceeded',
      limit: { of: 'tokens', per: 'day', max: 200, used: 50 },
    });
    expect(large.headers.get('retry-after')).toMatch(/^\d+$/);
  });

  test('in money stop before they are exceeded, to the millionth', async () => {
    // Ten requests at 23 millionths each; what is reserved at a time is more, so the last one or two must wait for others to settle.
    const { key } = await tenant({ limits: [{ of: 'cost', per: 'month', max: '0.000230' }] });
    let served = 0;
    for (let round = 0; round < 20; round += 1) if ((await ask(key)).status === 200) served += 1;
    expect(served).toBeGreaterThanOrEqual(5);
    expect(served).toBeLessThanOrEqual(10);
    expect(await refused(await ask(key))).toMatchObject({
      code: 'quota_exceeded',
      limit: { of: 'cost', max: '0.00023', used: (served * 0.000023).toFixed(6).replace(/0+$/, '') },
    });
  });

  test('are not exceeded by many at once', async () => {
    const { key } = await tenant({ limits: [{ of: 'requests', per: 'day', max: 25 }] });
    const all = await statuses(key, 60);
    expect(all.filter((status) => status === 200)).toHaveLength(25);
  });

  test('on concurrent requests release their slots, however a request ends', async () => {
    const { key } = await tenant({ limits: [{ of: 'concurrent_requests', max: 2 }] });
    const pieces = [`data: ${JSON.stringify(chunk({ content: 'a' }))}\n\n`];
    mock.respond(hangAfter(pieces), hangAfter(pieces));
    const aborts = [new AbortController(), new AbortController()];
    const streams = await Promise.all(
      aborts.map(({ signal }) =>
        post(gateway, chat({ stream: true }), { headers: { authorization: `Bearer ${key}` }, signal }),
      ),
    );
    expect(streams.map(({ status }) => status)).toEqual([200, 200]);
    expect(await refused(await ask(key))).toMatchObject({
      limit: { of: 'concurrent_requests', max: 2, used: 2 },
    });
    for (const controller of aborts) controller.abort();
    await eventually('the places are free', async () => (await ask(key)).status === 200);
    mock.respond(status(400, { error: { message: 'no' } }));
    expect((await ask(key)).status).toBe(400);
    expect(await statuses(key, 1)).toEqual([200]);
  });

  test('of key, user, tenant and tag hold together', async () => {
    const { id, key } = await tenant(
      {
        limits: [{ of: 'requests', per: 'day', max: 6 }],
        tag_limits: { 'team=a': [{ of: 'requests', per: 'day', max: 2 }] },
      },
      [{ of: 'requests', per: 'day', max: 4 }],
    );
    const tagged = (tags: string) => ask(key, chat({ max_tokens: 5 }), { 'x-weir-tags': tags });
    expect([(await tagged('team=a')).status, (await tagged('team=a, x')).status]).toEqual([200, 200]);
    expect(await refused(await tagged('team=a'))).toMatchObject({
      limit: { scope: 'tag', subject: 'team=a', used: 2 },
    });
    // What was refused has taken nothing: the key has two left.
    expect(await statuses(key, 4)).toEqual([200, 200, 429, 429]);
    const account = await done(gateway, 'POST', `/tenants/${id}/service-accounts`, {
      name: 'batch',
      role: 'developer',
      limits: [{ of: 'requests', per: 'day', max: 1 }],
    });
    const own = await done(gateway, 'POST', `/tenants/${id}/keys`, { name: 'b', member: account.id });
    expect(await statuses(String(own.key), 3)).toEqual([200, 429, 429]);
    const { key: third } = await done(gateway, 'POST', `/tenants/${id}/keys`, { name: 'c' });
    expect(await statuses(String(third), 3)).toEqual([200, 429, 429]);
    expect((await tagged('no/such tag!')).status).toBe(400);

    const listed = async (query = '') =>
      dataOf(await done(gateway, 'GET', `/tenants/${id}/limits${query}`)).map(
        ({ scope, subject, used, max }) => `${scope} ${subject} ${used}/${max}`,
      );
    const shared = [`tenant ${id} 6/6`, 'tag team=a 2/2'];
    expect(await listed()).toEqual([...shared, 'user batch 1/1', 'key k 4/4']);
    expect(await listed(`?member=${account.id}`)).toEqual([...shared, 'user batch 1/1']);
  });

  test('that warn or only count allow everything, and report it', async () => {
    const { key } = await tenant({
      limits: [
        { of: 'requests', per: 'day', max: 1, mode: 'warn' },
        { of: 'requests', per: 'day', max: 1, mode: 'shadow' },
      ],
    });
    const [first, second] = [await ask(key), await ask(key)];
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(first.headers.get('x-weir-limit-warnings')).toBeNull();
    expect(second.headers.get('x-weir-limit-warnings')).toContain('1 requests per day for this tenant');
    expect(await metric(gateway, 'llm_limit_passed_total\\{scope="tenant",mode="shadow"\\}')).toBe(1);
  });

  test('the cost of a request is reported with its response', async () => {
    const { key } = await tenant({});
    expect((await ask(key)).headers.get('x-weir-cost')).toBe('0.000023');
  });

  test('a quota outlives the process', async () => {
    const { id, key } = await tenant({ limits: [{ of: 'requests', per: 'month', max: 3 }] });
    expect(await statuses(key, 2)).toEqual([200, 200]);
    await gateway.stop();
    gateway = await startGateway({ config: config(), dataDir });
    expect(await statuses(key, 3)).toEqual([200, 429, 429]);
    expect((await admin(gateway, 'GET', `/tenants/${id}`)).status).toBe(200);
  });
});

test('limits, budgets and costs count where usage is not kept', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-unkept-'));
  const start = (keep_usage: boolean) =>
    startGateway({ config: { ...config(), storage: { keep_usage } }, dataDir: folder });
  let own = await start(false);
  try {
    const limits = [
      { of: 'tokens', per: 'day', max: 50 },
      { of: 'cost', per: 'month', max: '1' },
    ];
    await done(own, 'POST', '/tenants', { id: 'unkept', tier: null, limits });
    const { key } = await done(own, 'POST', '/tenants/unkept/keys', { name: 'k' });
    const send = async () => {
      const body = chat({ max_tokens: 5 });
      const response = await post(own, body, { headers: { authorization: `Bearer ${String(key)}` } });
      await response.arrayBuffer();
      return [response.status, response.headers.get('x-weir-cost')];
    };
    const used = async () =>
      dataOf(await done(own, 'GET', '/tenants/unkept/limits')).map((counterState) => counterState.used);
    expect(await send()).toEqual([200, '0.000023']);
    await eventually('it is settled', async () => (await used()).join() === '5,0.000023');
    await own.stop();
    own = await start(true);
    expect(await used()).toEqual([5, '0.000023']);
    expect(await send()).toEqual([200, '0.000023']);
    // The second alone.
    await eventually('usage is kept', async () => {
      const [sums] = dataOf(await done(own, 'GET', '/tenants/unkept/usage'));
      return sums?.requests === 1;
    });
    expect(await used()).toEqual([10, '0.000046']);
  } finally {
    await own.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

describe('limits within a period', () => {
  const ask5 = async (one: Gateway, key: string, headers: Record<string, string> = {}) => {
    const response = await post(one, chat({ max_tokens: 5 }), {
      headers: { authorization: `Bearer ${key}`, ...headers },
    });
    await response.arrayBuffer();
    return response.status;
  };
  const usedBy = async (one: Gateway, path: string) =>
    dataOf(await done(one, 'GET', path)).map(({ scope, of, used }) => [scope, of, used]);

  test('start from what was used before they were added', async () => {
    const { id, key } = await tenant({});
    const account = await done(gateway, 'POST', `/tenants/${id}/service-accounts`, {
      name: 's',
      role: 'developer',
    });
    const member = String(account.id);
    const own = await done(gateway, 'POST', `/tenants/${id}/keys`, { name: 'own', member });
    const keyId = String(own.id);
    for (let round = 0; round < 3; round += 1) {
      expect(await ask5(gateway, String(own.key), { 'x-weir-tags': 'team=a' })).toBe(200);
    }
    expect(await ask5(gateway, key)).toBe(200);
    const limits = [
      { of: 'requests', per: 'day', max: 100 },
      { of: 'tokens', per: 'month', max: 10_000 },
      { of: 'cost', per: 'month', max: '1' },
    ];
    // A budget that is spent already is rejected, although no counter existed.
    const spent = await admin(gateway, 'PATCH', `/tenants/${id}/keys/${keyId}`, {
      limits: [{ of: 'cost', per: 'day', max: '0.000068' }],
    });
    expect([spent.status, spent.body]).toMatchObject([
      400,
      { error: { message: expect.stringContaining('0.000069') } },
    ]);
    await done(gateway, 'PATCH', `/tenants/${id}`, { limits, tag_limits: { 'team=a': limits } });
    await done(gateway, 'PATCH', `/tenants/${id}/keys/${keyId}`, { limits });
    await done(gateway, 'PATCH', `/tenants/${id}/members/${member}`, { limits });
    const three = [3, 15, '0.000069'];
    const all = await usedBy(gateway, `/tenants/${id}/limits?key=${keyId}&member=${member}`);
    const of = (scope: string) => all.filter(([one]) => one === scope).map(([, , used]) => used);
    expect(of('tenant')).toEqual([4, 20, '0.000092']);
    expect([of('key'), of('user'), of('tag')]).toEqual([three, three, three]);
    expect(await ask5(gateway, String(own.key))).toBe(200);
    await eventually('it is settled', async () => {
      const now = await usedBy(gateway, `/tenants/${id}/limits?key=${keyId}`);
      return (
        now
          .filter(([one]) => one === 'key')
          .map(([, , used]) => used)
          .join() === '4,20,0.000092'
      );
    });
    // What is used up is refused at once.
    await done(gateway, 'PATCH', `/tenants/${id}/keys/${keyId}`, {
      limits: [{ of: 'requests', per: 'day', max: 4 }],
    });
    expect(await ask5(gateway, String(own.key))).toBe(429);
  });

  test('of a tier that a tenant gets are raised to its usage', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-tiers-'));
    const tiers = { small: [{ of: 'requests', per: 'day', max: 2 }] };
    const own = await startGateway({ config: { ...config(), limits: { tiers } }, dataDir: folder });
    try {
      await done(own, 'POST', '/tenants', { id: 'tiered', tier: null });
      const { key } = await done(own, 'POST', '/tenants/tiered/keys', { name: 'k' });
      expect([await ask5(own, String(key)), await ask5(own, String(key))]).toEqual([200, 200]);
      await done(own, 'PATCH', '/tenants/tiered', { tier: 'small' });
      await eventually(
        'the counter is raised',
        async () => (await usedBy(own, '/tenants/tiered/limits')).join() === 'tenant,requests,2',
        10_000,
      );
      expect(await ask5(own, String(key))).toBe(429);
    } finally {
      await own.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('are never lower than usage after the gateway was killed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-killed-'));
    let own = await startGateway({ config: config(), dataDir: folder });
    try {
      const limits = [
        { of: 'requests', per: 'day', max: 100_000 },
        { of: 'tokens', per: 'day', max: 1_000_000 },
        { of: 'cost', per: 'month', max: '9' },
      ];
      await done(own, 'POST', '/tenants', { id: 'killed', tier: null, limits });
      const { key } = await done(own, 'POST', '/tenants/killed/keys', { name: 'k', limits });
      let served = 0;
      for (let round = 0; round < 3; round += 1) {
        const statuses = await Promise.all(Array.from({ length: 40 }, () => ask5(own, String(key))));
        served += statuses.filter((one) => one === 200).length;
        const exited = own.exited;
        own.signal('SIGKILL');
        await exited;
        own = await startGateway({ config: config(), dataDir: folder });
        // Before any request, and without waiting for one.
        const counters = dataOf(await done(own, 'GET', '/tenants/killed/limits'));
        // Those of the tenant, then those of its key.
        expect(counters.slice(0, 3).map(({ used }) => Number(used))).toEqual([
          served,
          served * 5,
          Number((served * 0.000023).toFixed(6)),
        ]);
      }
      expect(served).toBe(120);
    } finally {
      await own.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  }, 60_000);
});
