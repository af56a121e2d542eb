import { afterEach, describe, expect, test } from 'bun:test';
import { seeded } from '../../src/core/random.ts';
import { type CountingUpstream, startCountingUpstream } from '../support/counting-upstream.ts';
import { FULL } from '../support/effort.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { canStopPostgres, hasPostgres, sharedPostgres, startPostgres } from '../support/services/postgres.ts';
import { canStopRedis, hasRedis, sharedRedis, startRedis } from '../support/services/redis.ts';
import { chat, eventually, mockConfig, post } from './harness.ts';
import { admin, dataOf, done } from './helpers/admin.ts';

/** US dollars per million tokens: a token of input is one millionth, one of output ten. */
const PRICES = [{ model: 'upstream-chat', input: '1', output: '10' }];
const CLIENTS = 200;
const OUTAGE_MS = Number(process.env.WEIR_TEST_OUTAGE_MS ?? (FULL ? 30_000 : 0));
const ROUNDS = 3;

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function config(upstream: CountingUpstream): Record<string, unknown> {
  return mockConfig(upstream.url, { prices: PRICES, storage: undefined });
}

async function gatewayOn(upstream: CountingUpstream, env: Record<string, string> = {}): Promise<Gateway> {
  const gateway = await startGateway({ config: config(upstream), env });
  closers.push(() => gateway.stop());
  return gateway;
}

interface Answered {
  readonly id: string;
  readonly status: number;
  readonly aborted: boolean;
  readonly gateway: Gateway;
}

/** One request of a client: plain, streamed, or streamed and aborted after some words. */
async function request(gateway: Gateway, key: string, id: string, random: () => number): Promise<Answered> {
  const dice = random();
  const aborts = dice < 1 / 3;
  const stream = aborts || dice < 2 / 3;
  const words = 1 + Math.floor(random() * 9);
  const content = aborts ? `request ${id} abort after ${words}` : `request ${id} please`;
  const body = chat({ stream, max_tokens: 20, messages: [{ role: 'user', content }] });
  const controller = new AbortController();
  const headers = { authorization: `Bearer ${key}`, 'x-request-id': id };
  const response = await post(gateway, body, { headers, signal: controller.signal });
  if (!aborts || response.status !== 200) {
    await response.text();
    return { id, status: response.status, aborted: false, gateway };
  }
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let seen = 0;
  while (reader && seen < words) {
    const { done: over, value = '' } = await reader.read();
    if (over) break;
    seen += value.split('"content":').length - 1;
  }
  controller.abort();
  await reader?.cancel().catch(() => undefined);
  return { id, status: 200, aborted: true, gateway };
}

/** What the gateway has recorded, once all has arrived. */
async function recorded(gateway: Gateway, tenant: string) {
  const [sums = {}] = dataOf(await done(gateway, 'GET', `/tenants/${tenant}/usage`));
  return {
    requests: Number(sums.requests ?? 0),
    input: Number(sums.input_tokens ?? 0),
    output: Number(sums.output_tokens ?? 0),
    cost: String(sums.cost ?? '0'),
  };
}

/** What the upstream says that it has worked for these requests. */
function worked(upstream: CountingUpstream, ids: Iterable<string>) {
  let input = 0;
  let output = 0;
  for (const id of ids) {
    input += upstream.usageTotals.get(id)?.input ?? 0;
    output += upstream.usageTotals.get(id)?.output ?? 0;
  }
  const millionths = input + 10 * output;
  return { input, output, cost: (millionths / 1_000_000).toFixed(6).replace(/\.?0+$/, '') };
}

/** All clients' requests, sent to the gateways in turn. A gateway that goes takes its requests along. */
async function load(gateways: readonly Gateway[], key: string, random: () => number): Promise<Answered[]> {
  const client = async (number: number): Promise<Answered[]> => {
    const answers: Answered[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const gateway = gateways[(number + round) % gateways.length];
      if (!gateway) continue;
      const id = `c${number}r${round}`;
      const answer = await request(gateway, key, id, random).catch(() => ({
        ...{ id, status: 0, aborted: false, gateway },
      }));
      answers.push(answer);
      // As clients do: who comes back at once while all places are taken is only refused again.
      if (answer.status === 429) await new Promise((resolve) => setTimeout(resolve, REST_MS));
    }
    return answers;
  };
  return (await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)))).flat();
}

async function counterState(gateway: Gateway, tenant: string, of: string): Promise<Record<string, unknown>> {
  const all = dataOf(await done(gateway, 'GET', `/tenants/${tenant}/limits`));
  return all.find((one) => one.of === of) ?? {};
}

/** The use of requests that were in flight in a killed gateway. */
async function lostUse(gateway: Gateway, tenant: string) {
  const sum = { requests: 0, input: 0, output: 0 };
  for (let after = ''; ; ) {
    const page = await done(gateway, 'GET', `/tenants/${tenant}/usage/events?limit=200${after}`);
    for (const event of dataOf(page)) {
      if (event.outcome !== 'lost') continue;
      expect(event.estimated).toBe(true);
      sum.requests += 1;
      sum.input += Number(event.input_tokens);
      sum.output += Number(event.output_tokens);
    }
    if (typeof page.next !== 'string') return sum;
    after = `&after=${page.next}`;
  }
}

/** A quarter of the length of a request's body. */
const MAX_INPUT_ESTIMATE = 60;
const QUOTA = 350;
const REST_MS = 50;
/** Enough for all; what counts is that it is never passed, and ends where usage does. */
const LIMITS = [
  { of: 'requests', per: 'day', max: QUOTA },
  { of: 'concurrent_requests', max: 60 },
  { of: 'cost', per: 'month', max: '1' },
  { of: 'tokens', per: 'day', max: 1_000_000 },
];

describe('exact under load', () => {
  test('one process, in memory', async () => {
    const upstream = await startCountingUpstream(1);
    closers.push(() => upstream.close());
    const gateway = await gatewayOn(upstream);
    await done(gateway, 'POST', '/tenants', { id: 'load', tier: null, limits: LIMITS });
    const { key } = await done(gateway, 'POST', '/tenants/load/keys', { name: 'k' });
    const answers = await load([gateway], String(key), seeded(2));
    await check([gateway], upstream, answers, []);
  }, 60_000);

  test.skipIf(!hasRedis || !hasPostgres)(
    'two replicas on one Redis and PostgreSQL, one of them killed',
    async () => {
      const upstream = await startCountingUpstream(3);
      closers.push(() => upstream.close());
      const env = {
        DATABASE_URL: await (await sharedPostgres()).freshUrl(),
        REDIS_URL: (await sharedRedis()).url,
        // Tests share one Redis.
        WEIR_TEST: '1',
      };
      const one = await gatewayOn(upstream, env);
      const two = await gatewayOn(upstream, env);
      await done(one, 'POST', '/tenants', { id: 'load2', tier: null, limits: LIMITS });
      const { key } = await done(one, 'POST', '/tenants/load2/keys', { name: 'k' });
      await eventually(
        'both know the key',
        async () => (await admin(two, 'GET', '/tenants/load2')).status === 200,
      );
      const killed = (async () => {
        await eventually('there is load', () => upstream.usageTotals.size > 60, 20_000);
        two.signal('SIGKILL');
      })();
      const answers = await load([one, two], String(key), seeded(4));
      await killed;
      // Started again in the same place, it hands over what it had on its disk.
      const again = await startGateway({ config: config(upstream), env, dataDir: two.dataDir });
      closers.push(() => again.stop());
      // In flight when it was killed, or aborted and perhaps not counted yet: no gateway can have recorded those.
      const lost = answers.filter(
        ({ status, aborted, gateway }) => status === 0 || (aborted && gateway === two),
      );
      await check(
        [one, again],
        upstream,
        answers,
        lost.map(({ id }) => id),
      );
    },
    90_000,
  );

  async function check(
    gateways: readonly Gateway[],
    upstream: CountingUpstream,
    answers: readonly Answered[],
    lost: readonly string[],
  ): Promise<void> {
    const [gateway] = gateways;
    if (!gateway) throw new Error('no gateway');
    const tenant = gateways.length === 1 ? 'load' : 'load2';
    expect(upstream.most).toBeLessThanOrEqual(60);
    const admitted = answers.filter(({ status }) => status !== 429);
    expect(admitted.length - lost.length).toBeLessThanOrEqual(QUOTA);
    expect(answers.filter(({ aborted }) => aborted).length).toBeGreaterThan(10);
    const known = new Set(lost);
    // Requests of a gateway that was killed have no end that anybody could have recorded, unless they had ended before.
    const sure = worked(
      upstream,
      [...upstream.usageTotals.keys()].filter((id) => !known.has(id)),
    );
    const all = worked(upstream, upstream.usageTotals.keys());
    await eventually(
      'all usage has arrived',
      async () => {
        const { input, output } = await recorded(gateway, tenant);
        return input >= sure.input && output >= sure.output;
      },
      20_000,
    );
    const sums = await recorded(gateway, tenant);
    if (lost.length === 0) expect({ ...sums, requests: 0 }).toEqual({ ...all, requests: 0 });
    else {
      // Requests that were lost have estimates, which may exceed what the upstream has worked.
      const estimated = await lostUse(gateway, tenant);
      expect(estimated.requests).toBeLessThanOrEqual(lost.length);
      expect(sums.input - estimated.input).toBeLessThanOrEqual(all.input);
      expect(sums.output - estimated.output).toBeLessThanOrEqual(all.output);
      expect(estimated.input).toBeLessThanOrEqual(lost.length * MAX_INPUT_ESTIMATE);
    }
    await eventually(
      'all places are free',
      async () => (await counterState(gateway, tenant, 'concurrent_requests')).used === 0,
      40_000,
    );
    const [cost, tokens] = [
      await counterState(gateway, tenant, 'cost'),
      await counterState(gateway, tenant, 'tokens'),
    ];
    if (lost.length === 0) {
      expect(Number(cost.used)).toBe(Number(sums.cost));
      expect(tokens.used).toBe(sums.input + sums.output);
    } else {
      // What was reserved by those that were lost stays taken: the output limit, and the bytes of the body.
      const perRequest = 20 + 150;
      expect(Number(tokens.used)).toBeGreaterThanOrEqual(sums.input + sums.output);
      expect(Number(tokens.used)).toBeLessThanOrEqual(sums.input + sums.output + lost.length * perRequest);
    }
  }
});

describe.skipIf(!canStopRedis || !canStopPostgres)('stores that go away under load', () => {
  test('requests are answered, and no usage is lost or doubled', async () => {
    const upstream = await startCountingUpstream(5, 0);
    closers.push(() => upstream.close());
    const [postgres, redis] = [await startPostgres(), await startRedis()];
    closers.push(
      () => postgres.dispose(),
      () => redis.dispose(),
    );
    const env = { DATABASE_URL: await postgres.freshUrl(), REDIS_URL: redis.url };
    const gateway = await gatewayOn(upstream, env);
    await done(gateway, 'POST', '/tenants', {
      id: 'out',
      tier: null,
      limits: [{ of: 'tokens', per: 'day', max: 10_000_000 }],
    });
    const { key } = await done(gateway, 'POST', '/tenants/out/keys', { name: 'k' });
    let stop = false;
    let sent = 0;
    const failures: Answered[] = [];
    const random = seeded(6);
    const client = async (number: number) => {
      for (let round = 0; !stop; round += 1) {
        sent += 1;
        const answer = await request(gateway, String(key), `o${number}r${round}`, random);
        if (answer.status !== 200) failures.push(answer);
      }
    };
    const clients = Array.from({ length: 10 }, (_, number) => client(number));
    const until = async (count: number) => eventually('requests go on', () => sent > count, 30_000);
    await until(100);
    await Promise.all([postgres.stop(), redis.stop()]);
    const since = performance.now();
    await until(sent + 300);
    // `npm run test:full` waits for half a minute, which outlasts every timeout and pause.
    await eventually('it lasts', () => performance.now() - since > OUTAGE_MS, OUTAGE_MS + 5_000);
    // Nothing can be changed meanwhile, and that is said.
    const refused = await admin(gateway, 'POST', '/tenants/out/keys', { name: 'later' });
    expect([refused.status, refused.body]).toMatchObject([503, { error: { code: 'store_unavailable' } }]);
    await Promise.all([postgres.start(), redis.start()]);
    await until(sent + 100);
    stop = true;
    await Promise.all(clients);
    expect(failures).toEqual([]);
    const { input, output, cost } = worked(upstream, upstream.usageTotals.keys());
    await eventually(
      'all usage has arrived',
      async () =>
        (await admin(gateway, 'GET', '/tenants/out/usage')).status === 200 &&
        (await recorded(gateway, 'out')).input >= input,
      30_000,
    );
    expect(await recorded(gateway, 'out')).toEqual({ requests: sent, input, output, cost });
    await eventually(
      'limits include all that was used',
      async () => (await counterState(gateway, 'out', 'tokens')).used === input + output,
      20_000,
    );
  }, 120_000);
});

describe.skipIf(!hasRedis || !hasPostgres)('limits of addresses', () => {
  test('hold for all gateways together', async () => {
    const upstream = await startCountingUpstream(7, 0);
    closers.push(() => upstream.close());
    const env = {
      DATABASE_URL: await (await sharedPostgres()).freshUrl(),
      REDIS_URL: (await sharedRedis()).url,
    };
    const gateways: Gateway[] = [];
    for (let index = 0; index < 2; index += 1) {
      const limits = { per_ip: { rps: 0.01, burst: 8 } };
      const gateway = await startGateway({
        config: { ...config(upstream), limits, storage: { redis_prefix: 'addresses' } },
        env,
      });
      closers.push(() => gateway.stop());
      gateways.push(gateway);
    }
    const [one] = gateways;
    const all = await Promise.all(
      Array.from({ length: 16 }, (_, index) => {
        const gateway = gateways[index % 2] ?? one;
        if (!gateway) throw new Error('no gateway');
        return request(gateway, gateway.adminKey, `a${index}`, () => 0.9);
      }),
    );
    expect(all.filter(({ status }) => status === 200)).toHaveLength(8);
  }, 60_000);
});
