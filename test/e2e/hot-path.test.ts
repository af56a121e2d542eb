import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import pg from 'pg';
import { connectRedis } from '../../src/storage/kv/connect-redis.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { hasPostgres, sharedPostgres } from '../support/services/postgres.ts';
import { hasRedis, sharedRedis } from '../support/services/redis.ts';
import { chat, completion, eventually, mockConfig, post } from './harness.ts';
import { dataOf, done } from './helpers/admin.ts';

const REQUESTS = 600;
/** Transactions and commands of the regular work beside the requests, in the few seconds that this takes. */
const BESIDE = 100;

describe.skipIf(!hasPostgres || !hasRedis)('a request with all limits on', () => {
  let mock: MockUpstream;
  let gateway: Gateway;
  let database: pg.Pool;
  let redis: Awaited<ReturnType<typeof connectRedis>>;
  beforeAll(async () => {
    mock = await startMockUpstream();
    mock.respondAlways(completion());
    const [url, redisUrl] = [await (await sharedPostgres()).freshUrl(), (await sharedRedis()).url];
    gateway = await startGateway({
      config: { ...mockConfig(mock.url), storage: { redis_prefix: 'hot-path' } },
      env: { DATABASE_URL: url, REDIS_URL: redisUrl },
    });
    database = new pg.Pool({ connectionString: url, max: 1 });
    redis = await connectRedis({ url: redisUrl, timeoutMs: 2_000, onError: () => undefined });
    await redis.connected();
  });
  afterAll(async () => {
    await gateway?.stop();
    await mock?.close();
    await database?.end();
    redis?.disconnect();
  });

  const transactions = async () => {
    const { rows } = await database.query<{ count: string }>(
      'SELECT sum(xact_commit) AS count FROM pg_stat_database',
    );
    return Number(rows[0]?.count);
  };
  const scripts = async () => {
    const text = String(await redis.call('INFO', ['commandstats']));
    return Number(/cmdstat_evalsha:calls=(\d+)/.exec(text)?.[1] ?? 0);
  };

  test('waits for no SQL, and for one round trip to Redis', async () => {
    const limit = (of: string, per: string | null, max: number | string) => ({
      of,
      max,
      ...(per ? { per } : {}),
    });
    const limits = [
      limit('requests', 'second', 100_000),
      limit('requests', 'month', 1_000_000),
      limit('tokens', 'minute', 100_000_000),
      limit('cost', 'month', '1000'),
      limit('concurrent_requests', null, 1_000),
    ];
    await done(gateway, 'POST', '/tenants', { id: 'hot', tier: null, limits });
    const { key } = await done(gateway, 'POST', '/tenants/hot/keys', { name: 'k', limits });
    const ask = async () => {
      const response = await post(gateway, chat(), { headers: { authorization: `Bearer ${String(key)}` } });
      await response.arrayBuffer();
      expect(response.status).toBe(200);
    };
    await ask();
    const before = [await transactions(), await scripts()] as const;
    for (let round = 0; round < REQUESTS / 20; round += 1) await Promise.all(Array.from({ length: 20 }, ask));
    const sql = (await transactions()) - before[0];
    expect(sql).toBeLessThan(BESIDE);
    // One script before the request, and one after it, for which no request waits; fewer where requests arrive together.
    await eventually(
      'all is settled',
      async () => {
        const limits = dataOf(await done(gateway, 'GET', '/tenants/hot/limits'));
        return limits.every(({ of, used }) => of !== 'concurrent_requests' || used === 0);
      },
      20_000,
    );
    expect((await scripts()) - before[1]).toBeLessThan(2 * REQUESTS);
    await eventually(
      'all is recorded',
      async () => {
        const [sums] = dataOf(await done(gateway, 'GET', '/tenants/hot/usage'));
        return sums?.requests === REQUESTS + 1;
      },
      20_000,
    );
  }, 60_000);
});
