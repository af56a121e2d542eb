import { type Kysely, type SqlBool, sql, type Transaction } from 'kysely';
import type { TenantScope } from '../tenant-scope.ts';
import type { UsageEvent, UsageSink } from '../usage-event.ts';
import { BulkInsert } from './bulk-insert.ts';
import type { TenantDatabases } from './tenant-databases.ts';
import { type TenantTables, USAGE_SUMS, type UsageSums } from './tenant-tables.ts';

/** Rows of one statement: SQLite takes so many parameters, and no more. */
const ROWS_AT_ONCE = 400;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const USAGE_DIMENSIONS = ['key', 'user', 'model', 'provider', 'tag'] as const;
export type UsageDimension = (typeof USAGE_DIMENSIONS)[number];

export interface UsageQuery {
  /** Unix milliseconds: from inclusive, to exclusive. */
  readonly from: number;
  readonly to: number;
  /** Into hours or days (UTC) beside the groups; null for one sum over all time. */
  readonly interval: 'hour' | 'day' | null;
  readonly groupBy: readonly UsageDimension[];
  readonly key?: string | undefined;
  readonly user?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly tag?: string | undefined;
}

/** Sums over one group. Sums of money are too large for numbers that JavaScript holds exactly, so all are `bigint`. */
export interface UsageGroup {
  /** Of its hour or day; null without an interval. */
  readonly start: number | null;
  readonly by: Readonly<Partial<Record<UsageDimension, string>>>;
  readonly sums: Readonly<Record<keyof UsageSums, bigint>>;
}

const COLUMNS = { key: 'key_id', user: 'member', model: 'model', provider: 'provider', tag: 'tag' } as const;

/** Usage in tenants' databases: every event, and sums by hour and day. */
export class SqlUsageStore implements UsageSink {
  constructor(private readonly databases: TenantDatabases) {}

  async write(tenant: string, events: readonly UsageEvent[]): Promise<void> {
    await this.databases.use({ tenant }, async (db) => {
      for (let at = 0; at < events.length; at += ROWS_AT_ONCE) {
        await this.#writeSome(db, events.slice(at, at + ROWS_AT_ONCE));
      }
    });
  }

  /** Sums of a time, by hours that lie in it whole. */
  summarise(scope: TenantScope, query: UsageQuery): Promise<UsageGroup[]> {
    return this.databases.read(scope, async (db) => {
      const byTag = query.tag !== undefined || query.groupBy.includes('tag');
      const table = sql.table(byTag ? 'usage_tag_rollups' : 'usage_rollups');
      // Days are summed already; anything finer, or cut off within a day, is summed from the hours.
      const whole = query.from % DAY_MS === 0 && query.to % DAY_MS === 0;
      const period = whole && query.interval !== 'hour' ? 'day' : 'hour';
      const start =
        query.interval === null
          ? sql<number>`0`
          : query.interval === 'day' && period === 'hour'
            ? sql<number>`start - start % ${sql.lit(DAY_MS)}`
            : sql<number>`start`;
      const groups = query.groupBy.map((dimension) => sql.ref(COLUMNS[dimension]));
      const terms = query.interval === null ? groups : [start, ...groups];
      const grouping =
        terms.length === 0 ? sql`` : sql`GROUP BY ${sql.join(terms)} ORDER BY ${sql.join(terms)}`;
      const conditions = [
        sql<SqlBool>`period = ${period}`,
        sql<SqlBool>`start >= ${query.from}`,
        sql<SqlBool>`start < ${query.to}`,
      ];
      for (const dimension of USAGE_DIMENSIONS) {
        const value = query[dimension];
        if (value !== undefined) conditions.push(sql<SqlBool>`${sql.ref(COLUMNS[dimension])} = ${value}`);
      }
      const sums = USAGE_SUMS.map((name) => sql`cast(sum(${sql.ref(name)}) as text) as ${sql.ref(name)}`);
      const { rows } = await sql<Record<string, string | number | null>>`
        SELECT ${sql.join([sql`${start} AS bucket`, ...groups, ...sums])} FROM ${table}
        WHERE ${sql.join(conditions, sql` AND `)} ${grouping}`.execute(db);
      return rows
        .filter((row) => row.requests !== null)
        .map((row) => ({
          start: query.interval === null ? null : Number(row.bucket),
          by: Object.fromEntries(
            query.groupBy.map((dimension) => [dimension, String(row[COLUMNS[dimension]])]),
          ),
          sums: sumsOf(row),
        }));
    });
  }

  async #writeSome(db: Kysely<TenantTables>, events: readonly UsageEvent[]): Promise<void> {
    await db.transaction().execute(async (transaction) => {
      const inserted = await EVENTS.run<TenantTables, { id: string }>(transaction, events);
      let counted = events;
      if (inserted.length < events.length) {
        const fresh = new Set(inserted.map(({ id }) => id));
        counted = events.filter(({ id }) => fresh.has(id));
      }
      if (counted.length === 0) return;
      await this.#addUp(transaction, counted);
      await this.#noteUse(transaction, counted);
    });
  }

  async #addUp(transaction: Transaction<TenantTables>, events: readonly UsageEvent[]): Promise<void> {
    const hours = new Map<string, TenantTables['usage_rollups']>();
    const tagHours = new Map<string, TenantTables['usage_tag_rollups']>();
    for (const event of events) {
      const start = event.at - (event.at % HOUR_MS);
      const { keyId: key_id, model, provider, tags } = event;
      const member = event.member ?? '';
      const name = `${start}\n${key_id}\n${member}\n${model}\n${provider}`;
      let row = hours.get(name);
      if (!row) {
        row = { period: 'hour', start, key_id, member, model, provider, ...NOTHING };
        hours.set(name, row);
      }
      add(row, event);
      for (const tag of tags) {
        const tagName = `${start}\n${tag}\n${model}`;
        let tagRow = tagHours.get(tagName);
        if (!tagRow) {
          tagRow = { period: 'hour', start, tag, model, ...NOTHING };
          tagHours.set(tagName, tagRow);
        }
        add(tagRow, event);
      }
    }
    await ROLLUPS.run(transaction, inOrder(hours.values()));
    await ROLLUPS.run(transaction, inOrder([...hours.values()].map(ofDay), addRows));
    await TAG_ROLLUPS.run(transaction, inOrder(tagHours.values()));
    await TAG_ROLLUPS.run(transaction, inOrder([...tagHours.values()].map(ofDay), addRows));
  }

  /** When each key was last used. */
  async #noteUse(transaction: Transaction<TenantTables>, events: readonly UsageEvent[]): Promise<void> {
    const last = new Map<string, number>();
    for (const { keyId, at } of events) last.set(keyId, Math.max(at, last.get(keyId) ?? 0));
    for (const [id, at] of [...last].sort()) {
      await transaction
        .updateTable('api_keys')
        .set({ last_used_at: at })
        .where('id', '=', id)
        .where(({ eb, or }) => or([eb('last_used_at', 'is', null), eb('last_used_at', '<', at)]))
        .execute();
    }
  }
}

function sumsOf(row: Readonly<Record<string, string | number | null>>): Record<keyof UsageSums, bigint> {
  const of = (name: keyof UsageSums) => BigInt(row[name] ?? 0);
  return {
    requests: of('requests'),
    attempts: of('attempts'),
    failures: of('failures'),
    input_tokens: of('input_tokens'),
    output_tokens: of('output_tokens'),
    cached_tokens: of('cached_tokens'),
    cache_write_tokens: of('cache_write_tokens'),
    reasoning_tokens: of('reasoning_tokens'),
    cost_pico: of('cost_pico'),
    unpriced: of('unpriced'),
    estimated: of('estimated'),
  };
}

function add(row: UsageSums, event: UsageEvent): void {
  row.requests += event.requests;
  row.attempts += 1;
  row.failures += event.outcome === 'failed' ? 1 : 0;
  row.input_tokens += event.inputTokens;
  row.output_tokens += event.outputTokens;
  row.cached_tokens += event.cachedTokens;
  row.cache_write_tokens += event.cacheWriteTokens;
  row.reasoning_tokens += event.reasoningTokens;
  row.cost_pico += event.costPico ?? 0;
  row.unpriced += event.costPico === null ? 1 : 0;
  row.estimated += event.estimated ? 1 : 0;
}

const NOTHING: UsageSums = {
  ...{ requests: 0, attempts: 0, failures: 0, input_tokens: 0, output_tokens: 0, cached_tokens: 0 },
  ...{ cache_write_tokens: 0, reasoning_tokens: 0, cost_pico: 0, unpriced: 0, estimated: 0 },
};

function addRows<Row extends UsageSums>(into: Row, row: Row): void {
  for (const name of USAGE_SUMS) into[name] += row[name];
}

/** The same sums, as part of their day. */
function ofDay<Row extends { period: string; start: number }>(row: Row): Row {
  return { ...row, period: 'day', start: row.start - (row.start % DAY_MS) };
}

/**
 * Rows with the same key as one, in the same order everywhere: so that two gateways that write at the same time wait for
 * each other, and not in a circle.
 */
function inOrder<Row extends UsageSums>(rows: Iterable<Row>, merge?: (into: Row, row: Row) => void): Row[] {
  const byKey = new Map<string, Row>();
  for (const row of rows) {
    const { key, known } = find(byKey, row);
    if (known && merge) merge(known, row);
    else byKey.set(key, row);
  }
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

function find<Row extends UsageSums>(rows: ReadonlyMap<string, Row>, row: Row) {
  const { ...key }: Partial<Row> = row;
  for (const name of USAGE_SUMS) delete key[name];
  const text = JSON.stringify(key);
  return { key: text, known: rows.get(text) };
}

const EVENT_COLUMNS = [
  ...[
    'id',
    'request_id',
    'at',
    'key_id',
    'member',
    'model',
    'provider',
    'upstream_model',
    'operation',
    'tags',
  ],
  ...[
    'status',
    'outcome',
    'requests',
    'input_tokens',
    'output_tokens',
    'cached_tokens',
    'cache_write_tokens',
  ],
  ...['reasoning_tokens', 'cost_pico', 'estimated', 'duration_ms', 'first_event_ms'],
];

const EVENTS = new BulkInsert<UsageEvent>(
  'usage_events',
  EVENT_COLUMNS,
  (event) => [
    ...[event.id, event.requestId, event.at, event.keyId, event.member, event.model, event.provider],
    ...[event.upstreamModel, event.operation, event.tags.length === 0 ? '[]' : JSON.stringify(event.tags)],
    ...[event.status, event.outcome, event.requests, event.inputTokens, event.outputTokens],
    ...[event.cachedTokens, event.cacheWriteTokens, event.reasoningTokens, event.costPico],
    ...[event.estimated ? 1 : 0, event.durationMs, event.firstEventMs],
  ],
  'ON CONFLICT (at, id) DO NOTHING RETURNING id',
);

function rollups<Row extends UsageSums>(
  table: string,
  key: readonly (keyof Row & string)[],
): BulkInsert<Row> {
  const columns = [...key, ...USAGE_SUMS];
  const increments = USAGE_SUMS.map((name) => `${name} = ${table}.${name} + excluded.${name}`).join(', ');
  return new BulkInsert<Row>(
    table,
    columns,
    (row) => columns.map((name) => row[name]),
    `ON CONFLICT (${key.join(', ')}) DO UPDATE SET ${increments}`,
  );
}

const ROLLUPS = rollups<TenantTables['usage_rollups']>('usage_rollups', [
  ...(['period', 'start', 'key_id', 'member', 'model', 'provider'] as const),
]);
const TAG_ROLLUPS = rollups<TenantTables['usage_tag_rollups']>('usage_tag_rollups', [
  ...(['period', 'start', 'tag', 'model'] as const),
]);
