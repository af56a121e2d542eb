import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FULL } from '../support/effort.ts';
import { freePort } from '../support/free-port.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { hasPostgres, sharedPostgres } from '../support/services/postgres.ts';
import { type SlowLink, startSlowLink } from '../support/slow-link.ts';
import { chat, eventually } from './harness.ts';
import { admin, dataOf, done } from './helpers/admin.ts';

/** Three regions as three processes, the network between them and their clients with delays, and a name with latency records. */

/** Round trips in milliseconds, from a place to a region: twice those of the earth, so that pauses of a busy machine are shorter. */
const DELAYS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  frankfurt: { eu: 10, us: 200, ap: 300 },
  virginia: { eu: 200, us: 10, ap: 400 },
  singapore: { eu: 300, us: 400, ap: 10 },
};
const PLACE_OF: Readonly<Record<string, string>> = { eu: 'frankfurt', us: 'virginia', ap: 'singapore' };
const REGIONS = Object.keys(PLACE_OF);
/** `npm run test:full` runs with the defaults, which take half a minute. */
const ROUTING = FULL ? {} : { interval: '1s', timeout: '10s', failures: 1, successes: 1 };
const PATIENCE_MS = 60_000;
/** Health checks of a place before it chooses: the fastest count, because the machine that runs the tests has pauses. */
const ROUNDS = 3;
/** US dollars per month, of which each region has a third: about ten requests. */
const BUDGET = 0.036;
const PRICES = [{ model: 'simulator', input: '100', output: '100' }];

describe.skipIf(!hasPostgres)('three regions', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-three-regions-'));
  const ports = new Map<string, number>();
  const links = new Map<string, SlowLink>();
  const gateways = new Map<string, Gateway>();
  const keys = new Map<string, string>();
  let databaseUrl = '';

  const gateway = (region: string): Gateway => {
    const found = gateways.get(region);
    if (!found) throw new Error(`no gateway in ${region}`);
    return found;
  };
  const addressFrom = (place: string, region: string) =>
    `http://127.0.0.1:${links.get(`${place} ${region}`)?.port}`;

  async function start(region: string): Promise<void> {
    const place = PLACE_OF[region] ?? '';
    const started = await startGateway({
      config: {
        region,
        // The same names in every region, over the network of the place.
        regions: REGIONS.map((id) => ({ id, address: addressFrom(place, id) })),
        region_routing: ROUTING,
        prices: PRICES,
        models: [{ id: 'chat', targets: [{ provider: 'simulator', model: 'simulator' }] }],
      },
      dataDir: join(folder, region),
      port: ports.get(region) ?? 0,
      env: { DATABASE_URL: databaseUrl, WEIR_SECRET: 'the secret of all regions' },
    });
    gateways.set(region, started);
  }

  async function createTenant(id: string, more: object): Promise<void> {
    await done(gateway('eu'), 'POST', '/tenants', { id, tier: null, ...more });
    keys.set(id, String((await done(gateway('eu'), 'POST', `/tenants/${id}/keys`, { name: 'k' })).key));
  }

  beforeAll(async () => {
    databaseUrl = await (await sharedPostgres()).freshUrl();
    for (const region of REGIONS) ports.set(region, await freePort());
    for (const [place, delays] of Object.entries(DELAYS)) {
      for (const [region, ms] of Object.entries(delays))
        links.set(`${place} ${region}`, await startSlowLink(ports.get(region) ?? 0, ms));
    }
    await start('eu');
    await Promise.all([start('us'), start('ap')]);
    await createTenant('everywhere', {});
    await createTenant('budgeted', { limits: [{ of: 'cost', per: 'month', max: String(BUDGET) }] });
    await createTenant('forwarded', { residency: { region: 'eu', failover: ['us'], elsewhere: 'forward' } });
    await createTenant('strict', { residency: { region: 'eu', elsewhere: 'reject' } });
    for (const key of keys.values()) for (const region of REGIONS) await knows(region, key);
  }, 120_000);
  afterAll(async () => {
    for (const { stop } of gateways.values()) await stop();
    for (const link of links.values()) await link.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Resolves when a region has read a new key: any status but 401, as the tenant may be served elsewhere. */
  async function knows(region: string, key: string): Promise<void> {
    await eventually(
      `${region} knows the key`,
      async () => {
        const response = await fetch(`${gateway(region).url}/v1/models`, {
          headers: { authorization: `Bearer ${key}` },
        });
        await response.arrayBuffer();
        return response.status !== 401;
      },
      PATIENCE_MS,
    );
  }

  /** One request from a place. @returns status 0 where the connection is closed without a response */
  async function request(place: string, region: string, path: string, init: RequestInit = {}) {
    const startedAt = performance.now();
    try {
      const response = await fetch(addressFrom(place, region) + path, init);
      const text = await response.text();
      const ms = performance.now() - startedAt;
      return { ms, status: response.status, headers: response.headers, text };
    } catch {
      return { ms: performance.now() - startedAt, status: 0, headers: new Headers(), text: '' };
    }
  }

  /** The region that a name with latency records resolves to: the fastest one whose health check succeeds. */
  async function resolve(place: string): Promise<string> {
    const fastest = new Map<string, number>();
    for (let round = 0; round < ROUNDS; round += 1) {
      await Promise.all(
        REGIONS.map(async (region) => {
          const { ms, status } = await request(place, region, '/health/ready');
          const isFaster = ms < (fastest.get(region) ?? Number.POSITIVE_INFINITY);
          if (status === 200 && isFaster) fastest.set(region, ms);
        }),
      );
    }
    const measured = Array.from(fastest, ([region, ms]) => [ms, region] as const);
    const [nearest] = measured.toSorted(([one], [other]) => one - other);
    return nearest?.[1] ?? '';
  }

  async function ask(place: string, region: string, tenant: string) {
    const { ms, status, headers, text } = await request(place, region, '/v1/chat/completions', {
      method: 'POST',
      headers: { authorization: `Bearer ${keys.get(tenant)}`, 'content-type': 'application/json' },
      body: chat({ max_tokens: 4 }),
    });
    return { ms, status, by: headers.get('x-weir-region'), headers, text };
  }

  /** Asks until the region has spent its part of the budget. @returns the cost, in US dollars */
  async function spend(place: string, region: string): Promise<number> {
    let cost = 0;
    for (;;) {
      const { status, headers } = await ask(place, region, 'budgeted');
      if (status !== 200) {
        expect({ region, status }).toEqual({ region, status: 429 });
        return cost;
      }
      cost += Number(headers.get('x-weir-cost'));
    }
  }

  /** What a region's checks say of another one. */
  async function seen(from: string, of: string): Promise<Record<string, unknown>> {
    const { body } = await admin(gateway(from), 'GET', '/regions');
    return dataOf(body).find(({ id }) => id === of) ?? {};
  }

  const isSeenUp = (from: string, of: string, isUp: boolean) =>
    eventually(
      `${from} sees that ${of} is ${isUp ? 'up' : 'down'}`,
      async () => {
        return (await seen(from, of)).up === isUp;
      },
      PATIENCE_MS,
    );

  test('clients reach the nearest region; tenants of another one are forwarded or rejected', async () => {
    for (const place of Object.keys(DELAYS)) {
      const region = await resolve(place);
      expect([place, PLACE_OF[region]]).toEqual([place, place]);
      expect(await ask(place, region, 'everywhere')).toMatchObject({ status: 200, by: region });
    }
    // From Singapore: the round trip between the two regions is added.
    const forwarded = await ask('singapore', 'ap', 'forwarded');
    expect(forwarded).toMatchObject({ status: 200, by: 'eu' });
    expect(forwarded.ms).toBeGreaterThanOrEqual(310);
    const rejected = await ask('singapore', 'ap', 'strict');
    expect(rejected).toMatchObject({ status: 421, by: 'eu' });
    expect(rejected.headers.get('x-weir-region-address')).toBe(addressFrom('singapore', 'eu'));
    expect(await ask('singapore', 'eu', 'strict')).toMatchObject({ status: 200, by: 'eu' });
    await eventually(
      'the checks have measured the round trip',
      async () => {
        return Number((await seen('ap', 'eu')).latency_ms) >= 300;
      },
      PATIENCE_MS,
    );
  }, 120_000);

  test('a killed region is replaced where that is allowed, until it is back; budgets hold', async () => {
    const spent = { eu: await spend('frankfurt', 'eu'), us: 0, ap: 0, again: 0 };
    const killed = gateway('eu');
    const killedAt = performance.now();
    killed.signal('SIGKILL');
    await killed.exited;

    expect(await resolve('frankfurt')).toBe('us');
    expect(await ask('frankfurt', 'us', 'everywhere')).toMatchObject({ status: 200, by: 'us' });
    for (const region of ['us', 'ap']) await isSeenUp(region, 'eu', false);
    const failoverMs = performance.now() - killedAt;
    expect(await ask('frankfurt', 'us', 'forwarded')).toMatchObject({ status: 200, by: 'us' });
    expect(await ask('singapore', 'ap', 'forwarded')).toMatchObject({ status: 200, by: 'us' });
    const homeless = await ask('frankfurt', 'us', 'strict');
    expect(homeless.status).toBe(503);
    expect(homeless.text).toContain('region_unavailable');
    spent.us = await spend('frankfurt', 'us');
    spent.ap = await spend('singapore', 'ap');

    await start('eu');
    await killed.stop();
    const startedAt = performance.now();
    for (const region of ['us', 'ap']) await isSeenUp(region, 'eu', true);
    const returnMs = performance.now() - startedAt;
    expect(await resolve('frankfurt')).toBe('eu');
    expect(await ask('singapore', 'ap', 'forwarded')).toMatchObject({ status: 200, by: 'eu' });
    expect(await ask('frankfurt', 'us', 'strict')).toMatchObject({ status: 421, by: 'eu' });
    expect(await ask('frankfurt', 'eu', 'strict')).toMatchObject({ status: 200, by: 'eu' });
    spent.again = await spend('frankfurt', 'eu');

    const part = BUDGET / 3;
    for (const region of ['eu', 'us', 'ap'] as const) {
      expect(spent[region]).toBeGreaterThan(part / 2);
      expect(spent[region]).toBeLessThanOrEqual(part);
    }
    // The region that was killed has no Redis: it may count its own part again, and no other.
    expect(spent.again).toBeLessThanOrEqual(part);
    if (FULL) console.log(JSON.stringify({ failoverMs, returnMs, spent }));
  }, 180_000);
});
