import { afterAll, describe, expect, test } from 'bun:test';
import { sql } from 'kysely';
import { openControlDatabase } from '../../src/storage/sql/control-database.ts';
import { PostgresServer } from '../../src/storage/sql/postgres-server.ts';
import { type CallResult, gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { startMockUpstream } from '../support/mock-upstream.ts';
import { hasPostgres, sharedPostgres } from '../support/services/postgres.ts';
import { uploadFile } from '../support/upload-file.ts';

const LEFT = 5;
const AT_ONCE = 20;
const ACME = '/admin/v1/tenants/acme';

interface Quota {
  readonly name: string;
  /** Rows that an owner may have. */
  readonly limit: number;
  /** Creates one. @returns whether it was created */
  create(installation: Installation, index: number): Promise<boolean>;
  /** A table of many rows: where the database has more than one writer, copies of one row stand for them. */
  readonly copied?: 'alert_rules' | 'alert_silences' | 'webhooks';
}

interface Installation {
  readonly gateway: InProcessGateway;
  /** A key of the tenant. */
  readonly key: string;
  /** Input of batches. */
  readonly file: string;
  readonly databaseUrl: string | undefined;
}

const administered =
  (path: string, body: (index: number) => unknown, method = 'POST'): Quota['create'] =>
  async ({ gateway }, index) => {
    const to = method === 'PUT' ? `${ACME}/${path}-${index}` : `${ACME}/${path}`;
    return isCreated(await gateway.call(method, to, { key: gateway.adminKey, body: body(index) }));
  };

/** @throws for a failure that is not the quota's */
function isCreated({ status, text }: CallResult): boolean {
  if (status < 300) return true;
  expect(text).toMatch(/already\. (?:Delete|End) one first|which is the maximum/);
  return false;
}

const embedding = { model: 'slow', input: 'x' };

const QUOTAS: readonly Quota[] = [
  {
    name: 'webhooks',
    limit: 50,
    copied: 'webhooks',
    create: administered('webhooks', (index) => ({
      url: `https://hooks.example.com/${index}`,
      events: ['*'],
    })),
  },
  {
    name: 'receivers of alerts',
    limit: 20,
    create: administered('alert-receivers', (index) => ({
      ...{ name: `r${index}`, type: 'webhook', url: 'https://hooks.example.com/weir' },
    })),
  },
  {
    name: 'rules of alerts',
    limit: 50,
    copied: 'alert_rules',
    create: administered(
      'alert-rules/rule',
      () => ({ kind: 'latency', metric: 'ttft_p95', above: 800 }),
      'PUT',
    ),
  },
  {
    name: 'silences of alerts',
    limit: 500,
    copied: 'alert_silences',
    create: administered('alert-silences', () => ({
      matchers: [{ label: 'rule', value: 'latency' }],
      comment: 'Maintenance',
    })),
  },
  {
    name: 'schedules of reports',
    limit: 20,
    create: administered('report-schedules', (index) => ({ name: `s${index}`, period: 'daily' })),
  },
  {
    name: 'files',
    limit: 8,
    create: async ({ gateway, key }) => (await uploadFile(gateway, key, '{}\n')) !== undefined,
  },
  {
    name: 'batches',
    limit: 8,
    create: async ({ gateway, key, file }) =>
      isCreated(
        await gateway.call('POST', '/v1/batches', {
          ...{ key, body: { input_file_id: file, endpoint: '/v1/embeddings', completion_window: '24h' } },
        }),
      ),
  },
  {
    name: 'queued requests',
    limit: 8,
    create: async ({ gateway, key }) =>
      isCreated(
        await gateway.call('POST', '/v1/embeddings', {
          ...{ key, body: embedding, headers: { prefer: 'respond-async' } },
        }),
      ),
  },
];

const LINE = { custom_id: 'a', method: 'POST', url: '/v1/embeddings', body: embedding };

const closers: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

async function install(databaseUrl: string | undefined): Promise<Installation> {
  // Nothing that is queued ends.
  const upstream = await startMockUpstream();
  closers.push(() => upstream.close());
  upstream.respondAlways({ ending: 'hang' });
  const gateway = await gatewayInProcess({
    config: {
      // One is the input of the batches.
      files: { max_count: 9 },
      async: { max_active: 8 },
      batches: { max_active: 8 },
      providers: [
        { id: 'up', kind: 'openai-compatible', base_url: upstream.url, api_key: 'k', discover: false },
      ],
      models: [{ id: 'slow', targets: [{ provider: 'up', model: 'up' }] }],
      ...(databaseUrl ? { storage: { database_url: databaseUrl } } : {}),
    },
  });
  closers.push(() => gateway.close());
  const admin = { key: gateway.adminKey };
  await gateway.call('POST', '/admin/v1/tenants', {
    ...admin,
    body: { id: 'acme', name: 'Acme', tier: null },
  });
  const made = await gateway.call('POST', `${ACME}/keys`, { ...admin, body: { name: 'k' } });
  const key = String(made.body.key);
  return { gateway, key, file: await uploadFile(gateway, key, JSON.stringify(LINE)), databaseUrl };
}

/** Fills a quota except for the last rows. */
async function fill(installation: Installation, { limit, create, copied }: Quota): Promise<void> {
  const wanted = limit - LEFT;
  if (!copied || !installation.databaseUrl) {
    for (let index = 0; index < wanted; index += 1) expect(await create(installation, index)).toBe(true);
    return;
  }
  expect(await create(installation, 0)).toBe(true);
  const { db, close } = await openControlDatabase(new PostgresServer({ url: installation.databaseUrl }));
  const { rows } = await sql<{ name: string }>`
    SELECT column_name AS name FROM information_schema.columns
    WHERE table_name = ${copied} AND column_name <> 'id'`.execute(db);
  const others = sql.join(rows.map(({ name }) => sql.ref(name)));
  await sql`
    INSERT INTO ${sql.table(copied)} (id, ${others})
    SELECT id || number, ${others} FROM ${sql.table(copied)}, generate_series(1, ${wanted - 1}) AS number`.execute(
    db,
  );
  await close();
}

const backends = [
  { name: 'SQLite', isThere: true, url: async () => undefined },
  { name: 'PostgreSQL', isThere: hasPostgres, url: async () => (await sharedPostgres()).freshUrl() },
];

for (const { name, isThere, url } of backends) {
  describe.skipIf(!isThere)(`on ${name}, ${AT_ONCE} at the same time`, () => {
    let installing: Promise<Installation> | undefined;
    test.each(QUOTAS.map((quota) => [quota.name, quota] as const))(
      'get what a quota has left: %s',
      async (_, quota) => {
        installing ??= url().then(install);
        const installation = await installing;
        if (quota.copied && !installation.databaseUrl) return;
        await fill(installation, quota);
        const made = await Promise.all(
          Array.from({ length: AT_ONCE }, (_, index) => quota.create(installation, 1_000 + index)),
        );
        expect(made.filter((isMade) => isMade)).toHaveLength(LEFT);
      },
      60_000,
    );
  });
}
