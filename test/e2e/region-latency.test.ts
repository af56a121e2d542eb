import { afterAll, beforeAll, expect, test } from 'bun:test';
import { systemClock } from '../../src/core/clock.ts';
import type { HttpRequest } from '../../src/core/http.ts';
import { startRegions, type TestRegions } from '../support/regions.ts';
import { chat } from './harness.ts';

/** Latency routing as a DNS service does it, with injected delays between places. */

/** Round trips in milliseconds, from a place to a region. */
const DELAYS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  frankfurt: { eu: 2, us: 45, ap: 80 },
  virginia: { eu: 45, us: 2, ap: 100 },
  singapore: { eu: 80, us: 100, ap: 2 },
};
const PLACE_OF: Readonly<Record<string, string>> = { eu: 'frankfurt', us: 'virginia', ap: 'singapore' };
const PLACE_HEADER = 'x-test-place';

let all: TestRegions;
let keys: Readonly<Record<string, string>> = {};

/** A request that a region forwards comes from its place; others from the place of the client. */
function placeOf({ headers }: HttpRequest): string {
  const [, from] = /^from=([a-z]+),/.exec(headers.get('x-weir-forwarded') ?? '') ?? [];
  return (from === undefined ? headers.get(PLACE_HEADER) : PLACE_OF[from]) ?? '';
}

beforeAll(async () => {
  all = await startRegions({
    regions: [{ id: 'eu' }, { id: 'us' }, { id: 'ap' }],
    config: () => ({ models: [{ id: 'chat', targets: [{ provider: 'simulator', model: 'simulator' }] }] }),
    beforeRequest: (id, request) => {
      const delay = DELAYS[placeOf(request)]?.[id];
      return delay === undefined ? undefined : systemClock.sleep(delay, new AbortController().signal);
    },
  });
  const admin = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const response = await all.regions.eu?.send(`/admin/v1/tenants${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${all.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return response?.json();
  };
  await admin('', { id: 'global', tier: null });
  await admin('', { id: 'european', tier: null, residency: { region: 'eu', elsewhere: 'forward' } });
  const made = await Promise.all(
    ['global', 'european'].map(async (id) => [id, String((await admin(`/${id}/keys`, { name: 'k' })).key)]),
  );
  keys = Object.fromEntries(made);
  for (const { gateway } of Object.values(all.regions)) await gateway.gateway.refresh();
}, 60_000);
afterAll(() => all.close());

const timed = async <Result>(work: Promise<Result>): Promise<readonly [number, Result]> => {
  const startedAt = performance.now();
  const result = await work;
  return [performance.now() - startedAt, result];
};

/** @returns 0 where the region does not respond */
async function statusOf(asked: Promise<Response>): Promise<number> {
  try {
    const response = await asked;
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 0;
  }
}

/** The region that a name with latency records resolves to: the fastest one whose health check succeeds. */
async function resolve(place: string): Promise<string> {
  const measured: [number, string][] = [];
  for (const [id, region] of Object.entries(all.regions)) {
    const check = () => timed(statusOf(region.send('/health/ready', { headers: { [PLACE_HEADER]: place } })));
    // The best of three: the machine that runs the tests has pauses.
    const checks = [await check(), await check(), await check()];
    if (checks.every(([, status]) => status === 200))
      measured.push([Math.min(...checks.map(([ms]) => ms)), id]);
  }
  const [fastest] = measured.toSorted(([a], [b]) => a - b);
  return fastest?.[1] ?? '';
}

async function ask(place: string, tenant: string) {
  const at = await resolve(place);
  const [ms, response] = await timed(
    Promise.resolve(
      all.regions[at]?.send('/v1/chat/completions', {
        method: 'POST',
        headers: {
          authorization: `Bearer ${keys[tenant]}`,
          'content-type': 'application/json',
          [PLACE_HEADER]: place,
        },
        body: chat({ max_tokens: 4 }),
      }),
    ),
  );
  await response?.arrayBuffer();
  return { at, ms, status: response?.status, by: response?.headers.get('x-weir-region') };
}

test('clients reach the nearest region, and the next one while it is down', async () => {
  for (const [place, delays] of Object.entries(DELAYS)) {
    const [nearest] = Object.entries(delays).toSorted(([, a], [, b]) => a - b);
    expect(await ask(place, 'global')).toMatchObject({ at: nearest?.[0], by: nearest?.[0], status: 200 });
  }
  // Near Singapore, and served in the home region: the delay between the two regions is added.
  const forwarded = await ask('singapore', 'european');
  expect(forwarded).toMatchObject({ at: 'ap', by: 'eu', status: 200 });
  expect(forwarded.ms).toBeGreaterThanOrEqual(80);

  all.regions.ap?.fail();
  expect(await ask('singapore', 'global')).toMatchObject({ at: 'eu', by: 'eu', status: 200 });
}, 60_000);
