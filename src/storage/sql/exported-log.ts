import type { Kysely } from 'kysely';
import type { LoggedRow } from '../logged-request.ts';
import type { ExportPlace } from './export-store.ts';
import type { TenantTables } from './tenant-tables.ts';

type TenantDatabase = Kysely<TenantTables>;

export interface NumberedLogRow extends Pick<LoggedRow, 'id' | 'keyVersion' | 'sealed'> {
  readonly sequence: number;
}

export interface LogPage {
  readonly rows: readonly NumberedLogRow[];
  /** Number of the last row that was read, which may be one from before `since`. */
  readonly end: number;
  readonly isLast: boolean;
}

/** Records that an export has not sent, counted up to a bound. */
export interface WaitingRecords {
  readonly count: number;
  /** Whether there are more. */
  readonly isMore: boolean;
  /** Unix milliseconds of the oldest one; undefined where there is none. */
  readonly oldestAt: number | undefined;
}

/** Rows of the log that are counted. */
const MAX_COUNTED = 10_000;
/** Batches of usage that are counted: a database may read all of their events. */
const MAX_BATCHES = 50;

/**
 * Reads logged requests in the order in which they were stored.
 * @param after number of a row
 * @param since Unix milliseconds; requests that ended earlier are skipped
 * @param maxBytes of sealed contents; the first row may have more
 */
export async function exportedLog(
  db: TenantDatabase,
  after: number,
  { since, limit, maxBytes }: { readonly since: number; readonly limit: number; readonly maxBytes: number },
): Promise<LogPage> {
  const found = await db
    .selectFrom('request_log')
    .select(['sequence', 'at', 'bytes'])
    .where('sequence', '>', 0)
    .where('sequence', '>', after)
    .orderBy('sequence')
    .limit(limit)
    .execute();
  let end = after;
  let bytes = 0;
  let read = 0;
  const wanted: number[] = [];
  for (const row of found) {
    const isWanted = Number(row.at) >= since;
    bytes += isWanted ? row.bytes : 0;
    if (bytes > maxBytes && wanted.length > 0) break;
    end = Number(row.sequence);
    read += 1;
    if (isWanted) wanted.push(end);
  }
  const isLast = read === found.length && found.length < limit;
  if (wanted.length === 0) return { rows: [], end, isLast };
  const rows = await db
    .selectFrom('request_log')
    .select(['id', 'key_version', 'sealed', 'sequence'])
    // The index is partial: without this condition, a list of numbers scans the whole log.
    .where('sequence', '>', 0)
    .where('sequence', 'in', wanted)
    .orderBy('sequence')
    .execute();
  return {
    rows: rows.map(({ id, key_version, sealed, sequence }) => ({
      ...{ id, keyVersion: key_version, sealed, sequence: Number(sequence) },
    })),
    ...{ end, isLast },
  };
}

/** Counts logged requests after a position. */
export async function waitingLog(
  db: TenantDatabase,
  { sequence }: ExportPlace,
  since: number,
): Promise<WaitingRecords> {
  const { count, oldest } = await db
    .selectFrom((from) =>
      from
        .selectFrom('request_log')
        .select('at')
        .where('sequence', '>', 0)
        .where('sequence', '>', sequence)
        .where('at', '>=', since)
        .orderBy('sequence')
        .limit(MAX_COUNTED + 1)
        .as('waiting'),
    )
    .select(({ fn }) => [fn.countAll().as('count'), fn.min('at').as('oldest')])
    .executeTakeFirstOrThrow();
  const isMore = Number(count) > MAX_COUNTED;
  return {
    ...{ count: isMore ? MAX_COUNTED : Number(count), isMore },
    oldestAt: oldest === null ? undefined : Number(oldest),
  };
}

/** Counts usage events after a position, those of rejected requests included. */
export async function waitingUsage(
  db: TenantDatabase,
  { sequence, line }: ExportPlace,
  since: number,
): Promise<WaitingRecords> {
  const batches = await db
    .selectFrom('usage_batches')
    .select(['sequence', 'first_at', 'count', 'archived'])
    .where('sequence', '>', 0)
    .where('sequence', '>=', sequence)
    .where('last_at', '>=', since)
    .whereRef('count', '>', 'archived')
    .orderBy('sequence')
    .limit(MAX_BATCHES + 1)
    .execute();
  let count = 0;
  let oldestAt: number | undefined;
  for (const batch of batches.slice(0, MAX_BATCHES)) {
    const done = Number(batch.sequence) === sequence ? Math.max(line, batch.archived) : batch.archived;
    const left = Math.max(0, batch.count - done);
    if (left === 0) continue;
    count += left;
    const at = Math.max(since, Number(batch.first_at));
    oldestAt = oldestAt === undefined ? at : Math.min(oldestAt, at);
  }
  return { count, isMore: batches.length > MAX_BATCHES, oldestAt };
}
