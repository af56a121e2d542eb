import { type RawBuilder, type SqlBool, sql } from 'kysely';
import type { TenantScope } from '../tenant-scope.ts';
import { eventOf, REJECTED, type UsageEvent } from '../usage-event.ts';
import type { TenantDatabases } from './tenant-databases.ts';
import { USAGE_SUMS, type UsageSums } from './tenant-tables.ts';
import { type UsagePiece, usagePieces } from './usage-pieces.ts';

const DAY_MS = 86_400_000;

export const USAGE_DIMENSIONS = ['key', 'user', 'model', 'provider', 'tag', 'client'] as const;
export type UsageDimension = (typeof USAGE_DIMENSIONS)[number];

export interface UsageQuery {
  /** Unix milliseconds: from inclusive, to exclusive. */
  readonly from: number;
  readonly to: number;
  /** Splits each group into hours or days (UTC); null for one sum over the whole time. */
  readonly interval: 'hour' | 'day' | null;
  /**
   * Instead of `interval`: splits each group at these times, in order. Unix milliseconds; each bucket ends where the next
   * one begins, the last at `to`.
   */
  readonly buckets?: readonly number[] | undefined;
  readonly groupBy: readonly UsageDimension[];
  readonly key?: string | undefined;
  readonly user?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly tag?: string | undefined;
  readonly client?: string | undefined;
}

export interface EventQuery {
  /** Unix milliseconds: from inclusive, to exclusive. */
  readonly from: number;
  readonly to: number;
  readonly matches: (event: UsageEvent) => boolean;
}

/** Position after a page of events: a line of a batch. */
export interface EventPlace {
  /** Time of the batch's first event. */
  readonly at: number;
  /** Of the batch. */
  readonly id: string;
  readonly line: number;
}

export interface EventPage {
  readonly events: readonly UsageEvent[];
  readonly next: EventPlace | undefined;
}

/** Sums over one group; `bigint`, because sums of money exceed the integers that a number represents exactly. */
export interface UsageGroup {
  /** Start of the hour, day or bucket; null without an interval. */
  readonly start: number | null;
  readonly by: Readonly<Partial<Record<UsageDimension, string>>>;
  readonly sums: Readonly<Record<keyof UsageSums, bigint>>;
}

/** Ids in one statement. */
const MAX_IDS = 500;

const COLUMNS = {
  ...{ key: 'key_id', user: 'member', model: 'model', provider: 'provider', tag: 'tag', client: 'client' },
} as const;

/**
 * Reads usage in tenants' databases: all events, and sums by hour and day (UTC); `storeUsage` writes it. Fails closed
 * with `UnknownTenantError` or the database's error.
 */
export class SqlUsageStore {
  constructor(private readonly databases: TenantDatabases) {}

  /**
   * Reads the attempts of a time range, ordered by batch (by first event) and by position within the batch.
   *
   * @param after `next` of the previous page; undefined for the first page
   * @param limit maximum number of events, at least 1
   * @returns a page; its `next` is undefined after the last event
   */
  events(
    scope: TenantScope,
    query: EventQuery,
    after: EventPlace | undefined,
    limit: number,
  ): Promise<EventPage> {
    const { from, to, matches } = query;
    return this.databases.read(scope, async (db) => {
      const events: UsageEvent[] = [];
      let place = after ?? { at: -1, id: '', line: 0 };
      // The batch in which the previous page ended is read again first.
      for (let again = true; ; again = false) {
        const { at, id, line } = place;
        // One batch at a time, because batches may be large.
        const batch = await db
          .selectFrom('usage_batches')
          .select(['id', 'first_at', 'events'])
          .where('first_at', '<', to)
          .where('last_at', '>=', from)
          // Archived ones have no events here.
          .whereRef('count', '>', 'archived')
          .where(({ eb, or, and }) =>
            or([eb('first_at', '>', at), and([eb('first_at', '=', at), eb('id', again ? '>=' : '>', id)])]),
          )
          .orderBy('first_at')
          .orderBy('id')
          .limit(1)
          .executeTakeFirst();
        if (!batch) return { events, next: undefined };
        const lines = batch.events.split('\n');
        const firstAt = Number(batch.first_at);
        for (let index = batch.id === id ? line : 0; index < lines.length; index += 1) {
          const event = eventOf(lines[index] ?? '');
          if (!event || event.outcome === REJECTED) continue;
          if (event.at < from || event.at >= to || !matches(event)) continue;
          if (events.length === limit) return { events, next: { at: firstAt, id: batch.id, line: index } };
          events.push(event);
        }
        // Continue with the next batch by time and id.
        place = { at: firstAt, id: batch.id, line: lines.length };
      }
    });
  }

  /** @returns the names of keys and members by id; without those that no longer exist */
  namesOf(
    scope: TenantScope,
    ids: { readonly keys: readonly string[]; readonly members: readonly string[] },
  ): Promise<ReadonlyMap<string, string>> {
    return this.databases.read(scope, async (db) => {
      const names = new Map<string, string>();
      for (const [table, wanted] of [
        ['api_keys', ids.keys],
        ['members', ids.members],
      ] as const) {
        for (let at = 0; at < wanted.length; at += MAX_IDS) {
          const part = wanted.slice(at, at + MAX_IDS);
          const rows = await db.selectFrom(table).select(['id', 'name']).where('id', 'in', part).execute();
          for (const { id, name } of rows) names.set(id, name);
        }
      }
      return names;
    });
  }

  /** @returns sums of a time range, of the hours that are entirely within it */
  summarise(scope: TenantScope, query: UsageQuery): Promise<UsageGroup[]> {
    return this.databases.read(scope, async (db) => {
      const table = sql.table(tableOf(query));
      const { buckets, interval, from, to } = query;
      const split = buckets !== undefined || interval !== null;
      const pieces = interval === null ? usagePieces(from, to, buckets ?? [from]) : undefined;
      if (pieces?.length === 0) return [];
      const start =
        pieces !== undefined
          ? sql<number>`pieces.bucket`
          : interval === 'day'
            ? sql<number>`start - start % ${sql.lit(DAY_MS)}`
            : sql<number>`start`;
      const groups = query.groupBy.map((dimension) => sql.ref(COLUMNS[dimension]));
      const terms = split ? [start, ...groups] : groups;
      // Rows of nothing but rejected requests are for metrics.
      const used = pieces ? sql`HAVING sum(sign * attempts) > 0` : sql`HAVING sum(attempts) > 0`;
      const grouping =
        terms.length === 0 ? used : sql`GROUP BY ${sql.join(terms)} ${used} ORDER BY ${sql.join(terms)}`;
      const conditions = pieces
        ? [
            sql<SqlBool>`period = pieces.length`,
            sql<SqlBool>`start >= pieces.first`,
            sql<SqlBool>`start < pieces.next`,
          ]
        : [sql<SqlBool>`period = 'hour'`, sql<SqlBool>`start >= ${from}`, sql<SqlBool>`start < ${to}`];
      for (const dimension of USAGE_DIMENSIONS) {
        const value = query[dimension];
        if (value !== undefined) conditions.push(sql<SqlBool>`${sql.ref(COLUMNS[dimension])} = ${value}`);
      }
      const sign = sql.raw(pieces ? 'sign * ' : '');
      const sums = USAGE_SUMS.map(
        (name) => sql`cast(sum(${sign}${sql.ref(name)}) as text) as ${sql.ref(name)}`,
      );
      // SQLite reads the tables of a CROSS JOIN in their order: one search of the primary key for each piece.
      const source = pieces
        ? sql`${pieceTable(pieces)} SELECT ${sql.join([sql`${split ? start : sql`0`} AS bucket`, ...groups, ...sums])} FROM pieces CROSS JOIN ${table}`
        : sql`SELECT ${sql.join([sql`${start} AS bucket`, ...groups, ...sums])} FROM ${table}`;
      const { rows } = await sql<Record<string, string | number | null>>`
        ${source} WHERE ${sql.join(conditions, sql` AND `)} ${grouping}`.execute(db);
      return rows
        .filter((row) => row.requests !== null)
        .map((row) => ({
          start: split ? Number(row.bucket) : null,
          by: Object.fromEntries(
            query.groupBy.map((dimension) => [dimension, String(row[COLUMNS[dimension]])]),
          ),
          sums: sumsOf(row),
        }));
    });
  }
}

/** Sums by tag and by client have tables of their own. */
function tableOf({ groupBy, tag, client }: UsageQuery): string {
  if (tag !== undefined || groupBy.includes('tag')) return 'usage_tag_rollups';
  return client !== undefined || groupBy.includes('client') ? 'usage_client_rollups' : 'usage_rollups';
}

function pieceTable(pieces: readonly UsagePiece[]): RawBuilder<unknown> {
  const rows = pieces.map(
    ({ period, first, next, bucket, sign }) =>
      sql`(${sql.join([period, first, next, bucket, sign].map((value) => sql.lit(value)))})`,
  );
  return sql`WITH pieces(length, first, next, bucket, sign) AS (VALUES ${sql.join(rows)})`;
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
    duration_ms: of('duration_ms'),
    cache_hits: of('cache_hits'),
    saved_pico: of('saved_pico'),
    saved_ms: of('saved_ms'),
    prompt_saved_pico: of('prompt_saved_pico'),
    output_cost_pico: of('output_cost_pico'),
    errors: of('errors'),
    rejected: of('rejected'),
  };
}
