import { type Kysely, sql } from 'kysely';
import type { ControlTables } from './control-tables.ts';
import type { TenantDatabases } from './tenant-databases.ts';
import { USAGE_SUMS, type UsageSums } from './tenant-tables.ts';
import { segmentsOf } from './usage-segments.ts';

const DAY_MS = 86_400_000;
/** Days of one visit of a tenant; the rest waits for the next one. */
const DAYS_AT_ONCE = 31;
/** Rows of one INSERT: 23 values each, of at most 32,766. */
const ROWS_AT_ONCE = 500;

/**
 * Copies the sums of days that have changed to the control database. May run in several processes at the same time, and be
 * killed at any point: a day is copied as a whole, under the number of changes that it had before it was read, and an older
 * copy never replaces a newer one.
 *
 * @returns the number of copied days
 */
export async function copyUsageDays(
  control: Kysely<ControlTables>,
  databases: TenantDatabases,
  tenant: string,
): Promise<number> {
  return databases.use({ tenant }, async (db) => {
    // Before their sums, which may have more by then: the day is copied again then.
    const days = await db
      .selectFrom('usage_days')
      .select(['start', 'changes'])
      .whereRef('changes', '>', 'copied')
      .orderBy('start', 'desc')
      .limit(DAYS_AT_ONCE)
      .execute();
    for (const { start, changes } of days) {
      // As text: sums of money exceed the integers that a number represents exactly.
      const sums = USAGE_SUMS.map((name) => sql`cast(sum(${sql.ref(name)}) as text) as ${sql.ref(name)}`);
      const { rows } = await sql<DayRow>`
        SELECT model, provider, ${sql.join(sums)} FROM usage_rollups
        WHERE period = 'day' AND start = ${start} GROUP BY model, provider`.execute(db);
      await replaceDay(control, { tenant, start: Number(start), changes: Number(changes) }, rows);
      await db
        .updateTable('usage_days')
        .set({ copied: changes })
        .where('start', '=', start)
        .where('copied', '<', changes)
        .execute();
    }
    return days.length;
  });
}

type DayRow = { readonly [name in keyof UsageSums | 'model' | 'provider']: string };

async function replaceDay(
  control: Kysely<ControlTables>,
  { tenant, start, changes }: { readonly tenant: string; readonly start: number; readonly changes: number },
  rows: readonly DayRow[],
): Promise<void> {
  await control.transaction().execute(async (transaction) => {
    const newer = await transaction
      .insertInto('tenant_usage_days')
      .values({ tenant, start, changes })
      .onConflict((conflict) =>
        conflict
          .columns(['tenant', 'start'])
          .doUpdateSet({ changes })
          .where('tenant_usage_days.changes', '<', changes),
      )
      .returning('changes')
      .execute();
    if (newer.length === 0) return;
    await transaction
      .deleteFrom('tenant_usage')
      .where('tenant', '=', tenant)
      .where('start', '=', start)
      .execute();
    for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
      const some = rows.slice(at, at + ROWS_AT_ONCE).map((row) => {
        const sums = USAGE_SUMS.map((name) => sql`cast(${row[name]} as bigint)`);
        return sql`(${sql.join([sql`${start}`, sql`${tenant}`, sql`${row.model}`, sql`${row.provider}`, ...sums])})`;
      });
      const columns = ['start', 'tenant', 'model', 'provider', ...USAGE_SUMS].map((name) => sql.ref(name));
      await sql`INSERT INTO tenant_usage (${sql.join(columns)}) VALUES ${sql.join(some)}`.execute(
        transaction,
      );
    }
  });
}

/** Deletes copies of a tenant's days that end before a time; all of them when it is undefined. */
export async function deleteUsageCopies(
  control: Kysely<ControlTables>,
  tenant: string,
  before?: number,
): Promise<void> {
  for (const table of ['tenant_usage', 'tenant_usage_days'] as const) {
    await control
      .deleteFrom(table)
      .where('tenant', '=', tenant)
      .$if(before !== undefined, (query) => query.where('start', '<=', (before ?? 0) - DAY_MS))
      .execute();
  }
}

export interface TenantUsageQuery {
  /** Starts of days (UTC): from inclusive, to exclusive. */
  readonly from: number;
  readonly to: number;
  readonly groupBy: readonly ('tenant' | 'model' | 'provider')[];
}

export interface TenantUsageGroup {
  readonly by: Readonly<Partial<Record<'tenant' | 'model' | 'provider', string>>>;
  /** `bigint`, because sums of money exceed the integers that a number represents exactly. */
  readonly sums: Readonly<Record<(typeof SUMS)[number], bigint>>;
}

/** The sums that reports of several tenants show. */
const SUMS = [
  ...(['requests', 'attempts', 'failures', 'input_tokens', 'output_tokens', 'cached_tokens'] as const),
  ...(['cost_pico', 'unpriced', 'cache_hits', 'saved_pico', 'errors'] as const),
] as const;

/** @returns sums of all tenants from their copies, which are up to an hour old; one query */
export async function summariseTenants(
  control: Kysely<ControlTables>,
  { from, to, groupBy }: TenantUsageQuery,
): Promise<TenantUsageGroup[]> {
  const [days] = segmentsOf(from, to, [from]).filter(({ period }) => period === 'day');
  if (!days) return [];
  const groups = groupBy.map((name) => sql.ref(name));
  // PostgreSQL sums bigints as numeric, which is read as text; SQLite's integers may exceed doubles.
  const sums = SUMS.map((name) => sql`cast(sum(${sql.ref(name)}) as text) as ${sql.ref(name)}`);
  const { rows } = await sql<Record<string, string | null>>`
    SELECT ${sql.join([...groups, ...sums])} FROM tenant_usage
    WHERE start >= ${days.from} AND start < ${days.to}
    ${groups.length === 0 ? sql`` : sql`GROUP BY ${sql.join(groups)}`} HAVING sum(attempts) > 0
    ${groups.length === 0 ? sql`` : sql`ORDER BY ${sql.join(groups)}`}`.execute(control);
  const of = (row: Readonly<Record<string, string | null>>, name: string) => BigInt(row[name] ?? 0);
  return rows.map((row) => ({
    by: Object.fromEntries(groupBy.map((name) => [name, String(row[name])])),
    sums: {
      requests: of(row, 'requests'),
      attempts: of(row, 'attempts'),
      failures: of(row, 'failures'),
      input_tokens: of(row, 'input_tokens'),
      output_tokens: of(row, 'output_tokens'),
      cached_tokens: of(row, 'cached_tokens'),
      cost_pico: of(row, 'cost_pico'),
      unpriced: of(row, 'unpriced'),
      cache_hits: of(row, 'cache_hits'),
      saved_pico: of(row, 'saved_pico'),
      errors: of(row, 'errors'),
    },
  }));
}
