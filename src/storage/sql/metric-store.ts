import { setImmediate as nextTurn } from 'node:timers/promises';
import { type RawBuilder, type SqlBool, sql } from 'kysely';
import { QuantileSketch } from '../quantile-sketch.ts';
import type { TenantScope } from '../tenant-scope.ts';
import { METRIC_PERIODS, METRIC_SUMS, type MetricSums } from '../usage-metrics.ts';
import type { TenantDatabase, TenantDatabases } from './tenant-databases.ts';

/** Dimensions of the sums that `usage-store.ts` reads too; the tenant is the database. */
export const METRIC_DIMENSIONS = ['model', 'provider', 'key', 'user', 'tag'] as const;
export type MetricDimension = (typeof METRIC_DIMENSIONS)[number];

const COLUMNS = { model: 'model', provider: 'provider', key: 'key_id', user: 'member', tag: 'tag' } as const;

const DAY_MS = 86_400_000;

/** Of the periods of all tables. Milliseconds. */
const LENGTHS = { ...METRIC_PERIODS, day: DAY_MS } as const;

/** What groups can be ranked by. */
const AMOUNTS = {
  requests: 'requests + rejected',
  errors: 'errors',
  tokens: 'input_tokens + output_tokens',
  cost: 'cost_pico',
} as const;

/** Values of dimensions by name. */
export type MetricGroup = Readonly<Partial<Record<MetricDimension, string | undefined>>>;

export interface MetricQuery {
  /** Unix milliseconds, whole multiples of `step`: from inclusive, to exclusive. */
  readonly from: number;
  readonly to: number;
  /** Milliseconds: a whole number of the query's periods. */
  readonly step: number;
  /** Only these. */
  readonly filter: MetricGroup;
}

/** Sums of one step, and with `groupBy` of one group. */
export interface MetricPoint {
  readonly start: number;
  readonly group: MetricGroup;
  readonly sums: Readonly<Record<keyof MetricSums, bigint>>;
  /** Rows that were summed. */
  readonly rows: number;
}

/** Times of one step, and with `groupBy` of one group. */
export interface MetricTimes {
  readonly start: number;
  readonly group: MetricGroup;
  readonly latency: QuantileSketch;
  readonly firstEvent: QuantileSketch;
}

/** Rows with sketches of one query. */
const MAX_SKETCHES = 20_000;
/** Sketches that are read in one piece, so that requests are served in between. */
const SKETCHES_AT_ONCE = 100;

/** A query would read more rows than allowed. */
export class TooManyRowsError extends Error {
  override readonly name = 'TooManyRowsError';
}

type TimesTable = 'usage_metrics' | 'usage_key_times';
type Table = 'usage_metrics' | 'usage_rollups' | 'usage_tag_rollups';

/** @returns the table with the fewest rows that knows some dimensions; undefined where none knows all of them */
export function metricTable(dimensions: readonly MetricDimension[]): Table | undefined {
  const has = (...names: readonly MetricDimension[]) => names.some((name) => dimensions.includes(name));
  if (has('tag')) return has('key', 'user', 'provider') ? undefined : 'usage_tag_rollups';
  return has('key', 'user') ? 'usage_rollups' : 'usage_metrics';
}

/** @returns whether quantiles are kept for some dimensions: by key and user, or by model and provider */
export function hasTimes(dimensions: readonly MetricDimension[]): boolean {
  return timesTable(dimensions) !== undefined;
}

function timesTable(dimensions: readonly MetricDimension[]): TimesTable | undefined {
  const table = metricTable(dimensions);
  if (table === 'usage_metrics') return table;
  const ofModel = dimensions.includes('model') || dimensions.includes('provider');
  return table === 'usage_rollups' && !ofModel ? 'usage_key_times' : undefined;
}

/** @returns the shortest step that a table has sums for. Milliseconds */
export function shortestStep(table: Table): number {
  return table === 'usage_metrics' ? METRIC_PERIODS.minute : METRIC_PERIODS.hour;
}

/**
 * Reads series of metrics in tenants' databases: from sums that are written with usage, never from events. Fails closed
 * with `UnknownTenantError` or the database's error.
 */
export class SqlMetricStore {
  constructor(private readonly databases: TenantDatabases) {}

  /** @returns the groups with the largest sums, the largest first */
  rank(
    scope: TenantScope,
    query: MetricQuery,
    groupBy: readonly MetricDimension[],
    by: keyof typeof AMOUNTS,
    limit: number,
  ): Promise<{ readonly group: MetricGroup; readonly amount: bigint }[]> {
    return this.databases.read(scope, async (db) => {
      const columns = groupBy.map((one) => sql.ref(COLUMNS[one]));
      // A row that many models share is no group.
      const named = groupBy.includes('model') ? sql`AND model <> ''` : sql``;
      const grouping =
        columns.length === 0
          ? sql`HAVING count(*) > 0`
          : sql`GROUP BY ${sql.join(columns)} ORDER BY sum(part) DESC, ${sql.join(columns)}`;
      // First by period: in the order of the primary key, SQLite groups without sorting all rows.
      const parts = sql`
        SELECT ${sql.join([...columns, sql`${sql.raw(`sum(${AMOUNTS[by]})`)} AS part`])}
        ${fromOf(query, groupBy)} ${named} GROUP BY ${sql.join([sql.ref('start'), ...columns])}`;
      const { rows } = await sql<Record<string, string>>`
        SELECT ${sql.join([...columns, sql`cast(sum(part) as text) AS amount`])} FROM (${parts}) AS parts
        ${grouping} LIMIT ${sql.lit(limit)}`.execute(db);
      return rows.map((row) => ({ group: groupOf(row, groupBy), amount: BigInt(row.amount ?? 0) }));
    });
  }

  /** @param groups only these, each with a value for each dimension of `groupBy`; undefined for all, not grouped */
  sums(
    scope: TenantScope,
    query: MetricQuery,
    groupBy: readonly MetricDimension[],
    groups: readonly MetricGroup[] | undefined,
  ): Promise<MetricPoint[]> {
    return this.databases.read(scope, async (db) => {
      const columns = groups ? groupBy.map((one) => sql.ref(COLUMNS[one])) : [];
      const sums = METRIC_SUMS.map((name) => sql`cast(sum(${sql.ref(name)}) as text) AS ${sql.ref(name)}`);
      const bucket = bucketOf(query, metricTable([...groupBy, ...filteredOf(query)]));
      const terms = [bucket, ...columns];
      const { rows } = await sql<Record<string, string | number>>`
        SELECT ${sql.join([sql`${bucket} AS bucket`, ...columns, sql`count(*) AS row_count`, ...sums])}
        ${fromOf(query, groupBy, groups)} GROUP BY ${sql.join(terms)}`.execute(db);
      return rows.map((row) => ({
        start: Number(row.bucket),
        group: groupOf(row, groups ? groupBy : []),
        sums: sumsOf(row),
        rows: Number(row.row_count),
      }));
    });
  }

  /**
   * @param groups as for `sums`
   * @throws TooManyRowsError when more sketches would be read than allowed
   */
  times(
    scope: TenantScope,
    query: MetricQuery,
    groupBy: readonly MetricDimension[],
    groups: readonly MetricGroup[] | undefined,
  ): Promise<MetricTimes[]> {
    return this.databases.read(scope, (db) => readTimes(db, query, groupBy, groups));
  }
}

async function readTimes(
  db: TenantDatabase,
  query: MetricQuery,
  groupBy: readonly MetricDimension[],
  groups: readonly MetricGroup[] | undefined,
): Promise<MetricTimes[]> {
  const dimensions = groups ? groupBy : [];
  const columns = dimensions.map((one) => sql.ref(COLUMNS[one]));
  const table = timesTable([...groupBy, ...filteredOf(query)]);
  if (!table) throw new Error('no table has times by these dimensions');
  const conditions = conditionsOf(query, groupBy, groups);
  if (table === 'usage_metrics') conditions.push(sql<SqlBool>`period = ${periodOf(table, query.step)}`);
  const { rows } = await sql<Record<string, string | number>>`
    SELECT ${sql.join([sql`${bucketOf(query, undefined)} AS bucket`, ...columns, sql`latency`, sql`first_event`])}
    FROM ${sql.table(table)} WHERE ${sql.join(conditions, sql` AND `)} AND latency <> ''
    LIMIT ${sql.lit(MAX_SKETCHES + 1)}`.execute(db);
  if (rows.length > MAX_SKETCHES) throw new TooManyRowsError(`more than ${MAX_SKETCHES} rows`);
  const found = new Map<string, MetricTimes>();
  for (const [index, row] of rows.entries()) {
    if (index % SKETCHES_AT_ONCE === SKETCHES_AT_ONCE - 1) await nextTurn();
    const group = groupOf(row, dimensions);
    const start = Number(row.bucket);
    const key = JSON.stringify([start, group]);
    let times = found.get(key);
    if (!times) {
      times = { start, group, latency: new QuantileSketch(), firstEvent: new QuantileSketch() };
      found.set(key, times);
    }
    times.latency.merge(String(row.latency));
    times.firstEvent.merge(String(row.first_event));
  }
  return [...found.values()];
}

/**
 * The start of the step that a row belongs to; `from` is a multiple of the step.
 * @param table where its periods are those of the query; undefined where they may be shorter than the step
 */
function bucketOf({ step }: MetricQuery, table: Table | undefined): RawBuilder<number> {
  // The column itself is in the order of the primary key: SQLite groups by it without sorting all rows.
  if (table && LENGTHS[periodOf(table, step)] === step) return sql<number>`${sql.ref('start')}`;
  return sql<number>`start - start % ${sql.lit(step)}`;
}

const filteredOf = ({ filter }: MetricQuery) => METRIC_DIMENSIONS.filter((one) => filter[one] !== undefined);

function conditionsOf(
  query: MetricQuery,
  groupBy: readonly MetricDimension[],
  groups: readonly MetricGroup[] | undefined,
): RawBuilder<SqlBool>[] {
  const { from, to, filter } = query;
  return [
    sql<SqlBool>`start >= ${from}`,
    sql<SqlBool>`start < ${to}`,
    ...filteredOf(query).map((one) => sql<SqlBool>`${sql.ref(COLUMNS[one])} = ${filter[one]}`),
    ...(groups ? [anyOf(groups, groupBy)] : []),
  ];
}

function fromOf(
  query: MetricQuery,
  groupBy: readonly MetricDimension[],
  groups?: readonly MetricGroup[],
): RawBuilder<unknown> {
  const table = metricTable([...groupBy, ...filteredOf(query)]);
  if (!table) throw new Error('no table has these dimensions');
  const period = sql<SqlBool>`period = ${periodOf(table, query.step)}`;
  const conditions = [period, ...conditionsOf(query, groupBy, groups)];
  return sql`FROM ${sql.table(table)} WHERE ${sql.join(conditions, sql` AND `)}`;
}

function periodOf(table: Table, step: number): 'minute' | 'hour' | 'day' {
  if (table === 'usage_metrics') return step % METRIC_PERIODS.hour === 0 ? 'hour' : 'minute';
  return step % DAY_MS === 0 ? 'day' : 'hour';
}

function anyOf(groups: readonly MetricGroup[], groupBy: readonly MetricDimension[]): RawBuilder<SqlBool> {
  if (groups.length === 0) return sql<SqlBool>`1 = 0`;
  // Grouped by tenant only.
  if (groupBy.length === 0) return sql<SqlBool>`1 = 1`;
  const [only, ...others] = groupBy;
  // Databases look a value up in a list, and compare each alternative with each row.
  if (only !== undefined && others.length === 0) {
    const values = groups.map((group) => sql`${group[only] ?? ''}`);
    return sql<SqlBool>`${sql.ref(COLUMNS[only])} IN (${sql.join(values)})`;
  }
  const each = groups.map((group) => {
    const equal = groupBy.map((one) => sql`${sql.ref(COLUMNS[one])} = ${group[one] ?? ''}`);
    return sql`(${sql.join(equal, sql` AND `)})`;
  });
  return sql<SqlBool>`(${sql.join(each, sql` OR `)})`;
}

function groupOf(
  row: Readonly<Record<string, string | number>>,
  dimensions: readonly MetricDimension[],
): MetricGroup {
  return Object.fromEntries(dimensions.map((one) => [one, String(row[COLUMNS[one]])]));
}

function sumsOf(row: Readonly<Record<string, string | number>>): MetricPoint['sums'] {
  const of = (name: keyof MetricSums) => BigInt(row[name] ?? 0);
  return {
    requests: of('requests'),
    errors: of('errors'),
    rejected: of('rejected'),
    attempts: of('attempts'),
    failures: of('failures'),
    input_tokens: of('input_tokens'),
    output_tokens: of('output_tokens'),
    cached_tokens: of('cached_tokens'),
    reasoning_tokens: of('reasoning_tokens'),
    cost_pico: of('cost_pico'),
    cache_hits: of('cache_hits'),
    saved_pico: of('saved_pico'),
  };
}
