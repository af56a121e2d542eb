import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectIoredis } from '../../src/storage/kv/ioredis-client.ts';
import { createTestCertificate } from '../support/certificates.ts';
import { startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { canStopPostgres, startPostgres, type TestPostgres } from '../support/services/postgres.ts';
import { canStopRedis, startTlsRedis, type TestRedis } from '../support/services/redis.ts';
import { chat, completion, eventually, metric, mockConfig, post, weir } from './harness.ts';
import { dataOf, done } from './helpers/admin.ts';
import { parseObject } from './helpers/json.ts';

/** Certificates for `localhost` and `127.0.0.1`: one that the servers have, and one that they do not. */
const certificate = createTestCertificate();
const other = createTestCertificate();
const folder = mkdtempSync(join(tmpdir(), 'weir-store-tls-'));
const ca = join(folder, 'ca.pem');
const otherCa = join(folder, 'other.pem');
writeFileSync(ca, certificate.cert);
writeFileSync(otherCa, other.cert);
let mock: MockUpstream;

beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways(() => completion());
});
afterAll(async () => {
  await mock?.close();
  rmSync(folder, { recursive: true, force: true });
});

const config = (storage: Record<string, unknown>) =>
  mockConfig(mock.url, { storage: { connect_timeout: '0s', ...storage } });

/** @returns why the gateway did not start */
const startFault = (storage: Record<string, unknown>) =>
  startGateway({ config: config(storage) }).then(
    async (gateway) => {
      await gateway.stop();
      return 'it started';
    },
    (error: unknown) => String(error),
  );

describe.skipIf(!canStopPostgres)('PostgreSQL over TLS', () => {
  let postgres: TestPostgres;
  let url: string;
  beforeAll(async () => {
    postgres = await startPostgres({ listen_addresses: '127.0.0.1,127.0.0.2' }, certificate);
    url = await postgres.freshUrl();
  });
  afterAll(() => postgres?.dispose());

  test('works with the authority in the configuration, for all databases and the usage thread', async () => {
    const gateway = await startGateway({ config: config({ database_url: url, database_ca: ca }) });
    try {
      await done(gateway, 'POST', '/tenants', { id: 'tls', tier: null });
      const { key } = await done(gateway, 'POST', '/tenants/tls/keys', { name: 'k' });
      const response = await post(gateway, chat(), { headers: { authorization: `Bearer ${key}` } });
      expect(response.status).toBe(200);
      await eventually('usage is stored', async () => {
        const [sums = {}] = dataOf(await done(gateway, 'GET', '/tenants/tls/usage'));
        return sums.requests === 1;
      });
      // Not one of its connections is without TLS.
      expect(await postgres.plainConnections()).toBe(0);
    } finally {
      await gateway.stop();
    }
  }, 60_000);

  test('works with the authority in the URL', async () => {
    const withRoot = new URL(url);
    withRoot.searchParams.set('sslmode', 'verify-full');
    withRoot.searchParams.set('sslrootcert', ca);
    const listed = await weir(['tenants', 'list', '--json'], { DATABASE_URL: withRoot.href });
    expect(listed.code).toBe(0);
  }, 60_000);

  test.each([
    ['an unknown authority', () => ({ database_url: `${url}?sslmode=verify-full` }), 'storage.database_ca'],
    ['another authority', () => ({ database_url: url, database_ca: otherCa }), 'certificate'],
    [
      'a file that is missing',
      () => ({ database_url: url, database_ca: '/nowhere.pem' }),
      '"storage.database_ca"',
    ],
    [
      'a file that is no certificate',
      () => ({ database_url: url, database_ca: import.meta.path }),
      'not a PEM file',
    ],
  ])(
    'is rejected with %s',
    async (_, storage, reason) => {
      const fault = await startFault(storage());
      expect(fault).toContain(reason);
      expect(fault).not.toMatch(/\n\s+at /);
    },
    60_000,
  );

  test('is rejected at a host name that the certificate lacks', async () => {
    const named = new URL(url);
    // Another name of this machine's loopback interface.
    named.hostname = '127.0.0.2';
    const fault = await startFault({ database_url: named.href, database_ca: ca });
    expect(fault).toContain('certificate');
    expect(fault).toContain('host name');
  }, 60_000);
});

describe.skipIf(!canStopRedis)('Redis over TLS', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startTlsRedis(certificate);
  });
  afterAll(() => redis?.dispose());

  test('shares limits between gateways', async () => {
    const storage = { redis_url: redis.url, redis_ca: ca };
    const limits = { per_ip: { rps: 0.01, burst: 2 } };
    const start = () => startGateway({ config: { ...config(storage), limits } });
    const [one, two] = [await start(), await start()];
    try {
      const statuses = [];
      for (const gateway of [one, two, one]) {
        const response = await post(gateway, chat());
        await response.text();
        statuses.push(response.status);
      }
      expect(statuses).toEqual([200, 200, 429]);
      expect(await metric(one, 'llm_limit_store_lost')).toBe(0);
    } finally {
      await Promise.all([one.stop(), two.stop()]);
    }
  }, 60_000);

  test('is not reachable with another authority; the gateway starts, counts limits locally and says so', async () => {
    const gateway = await startGateway({ config: config({ redis_url: redis.url, redis_ca: otherCa }) });
    try {
      expect(await metric(gateway, 'llm_limit_store_lost')).toBe(1);
      expect((await post(gateway, chat())).status).toBe(200);
    } finally {
      await gateway.stop();
    }
  }, 60_000);

  test('works with the client for clusters and Sentinel', async () => {
    const client = connectIoredis({
      ...{ url: redis.url, ca: certificate.cert, timeoutMs: 2_000 },
      onError: () => undefined,
    });
    await client.connected();
    expect(await client.call('PING', [])).toBe('PONG');
    client.disconnect();
  }, 30_000);

  test('doctor checks it', async () => {
    const path = join(folder, 'weir.yaml');
    const check = async (authority: string) => {
      writeFileSync(path, JSON.stringify(config({ redis_url: redis.url, redis_ca: authority })));
      const { stdout } = await weir(['doctor', '--json'], { WEIR_CONFIG: path });
      const { findings } = parseObject(stdout);
      if (!Array.isArray(findings)) throw new Error(stdout);
      return findings
        .map((finding: unknown) => JSON.stringify(finding))
        .filter((text) => text.includes('"redis"'));
    };
    expect(await check(ca)).toEqual([expect.stringContaining('"level":"ok"')]);
    expect(await check(otherCa)).toEqual([expect.stringMatching(/"level":"problem".*certificate/)]);
    expect(await check('/nowhere.pem')).toEqual([expect.stringContaining('storage.redis_ca')]);
  }, 60_000);
});
