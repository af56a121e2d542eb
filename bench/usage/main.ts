// `npm run bench:usage`: fills databases with the sums of a year of 1,000 tenants (100 million events), and times monthly
// reports on SQLite and, where it is installed, PostgreSQL.
import { type Kysely, sql } from 'kysely';
import { openControlDatabase } from '../../src/storage/sql/control-database.ts';
import { TenantDatabases } from '../../src/storage/sql/tenant-databases.ts';
import { USAGE_SUMS } from '../../src/storage/sql/tenant-tables.ts';
import { summariseTenants } from '../../src/storage/sql/usage-copies.ts';
import { SqlUsageStore, type UsageDimension } from '../../src/storage/sql/usage-store.ts';
import { BACKENDS, type TestServer } from '../../test/support/database-servers.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const TENANTS = 1_000;
const DAYS = 365;
const PART_DAYS = 73;
const MODELS = 4;
/** Of one tenant: with the models, 20 rows an hour. */
const KEYS = 5;
/** Per row of `tenant_usage`: 1,000 tenants, 365 days and 4 models make 100 million events. */
const EVENTS_PER_ROW = 100_000_000 / (TENANTS * DAYS * MODELS);
const FROM = Date.UTC(2025, 11);
const MONTH = { from: Date.UTC(2026, 9), to: Date.UTC(2026, 10) };
/** October 2026 in Zurich, which leaves summer time on the 25th. */
const ZURICH = { from: Date.UTC(2026, 8, 30, 22), to: Date.UTC(2026, 9, 31, 23) };
const ROUNDS = 7;
const MAX_MS = 1_000;

const GROUPS: readonly (readonly UsageDimension[])[] = [['key'], ['model'], ['key', 'model', 'provider']];
let isSlow = false;

async function measure(name: string, server: TestServer): Promise<void> {
  const { db: control, close } = await openControlDatabase(server.connect());
  const placement = { server: '', database: server.freshName() };
  const databases = new TenantDatabases({
    servers: new Map([['', server.connect()]]),
    placementOf: () => placement,
    maxConnections: 4,
  });
  await databases.create(placement);
  const isPostgres = name === 'PostgreSQL';
  const startedAt = performance.now();
  await fillCopies(control, isPostgres);
  await databases.use({ tenant: 't' }, (db) => fillTenant(db, isPostgres));
  console.log(`${name}: filled in ${Math.round((performance.now() - startedAt) / 1_000)} s`);
  const usage = new SqlUsageStore(databases);
  for (const groupBy of [['tenant'], ['tenant', 'model'], ['model', 'provider']] as const) {
    await time(name, `1,000 tenants by ${groupBy.join(', ')}`, () =>
      summariseTenants(control, { ...MONTH, groupBy }),
    );
  }
  for (const groupBy of GROUPS) {
    await time(name, `one tenant by ${groupBy.join(', ')}, Zurich`, () =>
      usage.summarise({ tenant: 't' }, { ...ZURICH, interval: null, groupBy }),
    );
  }
  await databases.close();
  await close();
  await server.dispose();
}

async function time(backend: string, what: string, read: () => Promise<readonly unknown[]>): Promise<void> {
  const times: number[] = [];
  let rows = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const startedAt = performance.now();
    rows = (await read()).length;
    times.push(performance.now() - startedAt);
  }
  const [median = 0, longest = 0] = [
    times.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)],
    Math.max(...times),
  ];
  if (median > MAX_MS) isSlow = true;
  console.log(
    `${backend} | ${what} | ${rows} rows | median ${median.toFixed(0)} ms, longest ${longest.toFixed(0)} ms`,
  );
}

/** Numbers from 0, as a table with the column `value`. */
function numbers(name: string, count: number, isPostgres: boolean) {
  return isPostgres
    ? sql`${sql.table(name)}(value) AS (SELECT generate_series(0, ${sql.lit(count - 1)}::bigint))`
    : sql`${sql.table(name)}(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM ${sql.table(name)} WHERE value < ${sql.lit(count - 1)})`;
}

/** The sums of a row that stands for some events. */
function sumsOf(events: number) {
  const amounts: Readonly<Record<string, number>> = {
    ...{ requests: events, attempts: events, input_tokens: 900 * events, output_tokens: 250 * events },
    ...{ cost_pico: 4_750_000_000 * events, duration_ms: 2_000 * events },
  };
  return sql.join(USAGE_SUMS.map((name) => sql.lit(Math.round(amounts[name] ?? 0))));
}

const COLUMNS = sql.join(USAGE_SUMS.map((name) => sql.ref(name)));

async function fillCopies<Tables>(db: Kysely<Tables>, isPostgres: boolean): Promise<void> {
  // In parts: a statement has a time limit.
  for (let day = 0; day < DAYS; day += PART_DAYS) {
    await sql`
    INSERT INTO tenant_usage (start, tenant, model, provider, ${COLUMNS})
    WITH RECURSIVE ${numbers('days', PART_DAYS, isPostgres)}, ${numbers('tenants', TENANTS, isPostgres)},
      ${numbers('models', MODELS, isPostgres)}
    SELECT ${sql.lit(FROM + day * DAY_MS)} + days.value * ${sql.lit(DAY_MS)}, 'tenant-' || tenants.value, 'model-' || models.value,
      'provider', ${sumsOf(EVENTS_PER_ROW)}
    FROM days CROSS JOIN tenants CROSS JOIN models`.execute(db);
  }
  if (isPostgres) await sql`ANALYZE tenant_usage`.execute(db);
}

async function fillTenant<Tables>(db: Kysely<Tables>, isPostgres: boolean): Promise<void> {
  for (const [period, length] of [
    ['hour', HOUR_MS],
    ['day', DAY_MS],
  ] as const) {
    await sql`
      INSERT INTO usage_rollups (period, start, key_id, member, model, provider, ${COLUMNS})
      WITH RECURSIVE ${numbers('times', (DAYS * DAY_MS) / length, isPostgres)},
        ${numbers('keys', KEYS, isPostgres)}, ${numbers('models', MODELS, isPostgres)}
      SELECT ${sql.lit(period)}, ${sql.lit(FROM)} + times.value * ${sql.lit(length)}, 'key-' || keys.value, '',
        'model-' || models.value, 'provider', ${sumsOf(10)}
      FROM times CROSS JOIN keys CROSS JOIN models`.execute(db);
  }
  if (isPostgres) await sql`ANALYZE usage_rollups`.execute(db);
}

for (const backend of BACKENDS) {
  if (backend.available) await measure(backend.name, await backend.start());
}
process.exitCode = isSlow ? 1 : 0;
// The shared PostgreSQL server would keep the process running.
process.exit();
