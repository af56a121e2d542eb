import { BatchFilter } from '../batch-filter.ts';
import { maximaOf, textsOf } from '../kept-request.ts';
import type { UsageBatch } from '../usage-batch.ts';
import type { UsageEvent } from '../usage-event.ts';
import {
  type UsageClientRollup,
  type UsageRollup,
  type UsageSums,
  type UsageTagRollup,
  UsageTotals,
} from '../usage-totals.ts';
import { PreparedRows } from './prepared-rows.ts';
import { storeMetrics } from './store-metrics.ts';
import { USAGE_SUMS } from './tenant-tables.ts';
import type { ExecuteSql, SqlValue, UsageDatabase } from './usage-database.ts';

/** A durable event that follows from usage. */
export interface DerivedEvent {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  /** JSON. */
  readonly data: string;
  /** Unix milliseconds. */
  readonly at: number;
}

/** Derives durable events from usage that was not stored before. */
export type DeriveEvents = (events: readonly UsageEvent[]) => readonly DerivedEvent[];

/**
 * Stores batches of one tenant in one transaction, each exactly once: events that are already stored under a batch's id
 * are skipped, so that a batch may be stored again, also after it has grown.
 *
 * @param derive durable events to store with the usage; none when absent
 * @returns the number of durable events
 * @throws the database's error; nothing is stored then
 */
export async function storeUsage(
  database: UsageDatabase,
  batches: readonly UsageBatch[],
  derive?: DeriveEvents,
): Promise<number> {
  let count = 0;
  await database.transaction(async (execute) => {
    const totals = new UsageTotals();
    const derived: DerivedEvent[] = [];
    for (const batch of batches) {
      const fresh = await storeBatch(execute, database, batch);
      for (const event of fresh) totals.add(event);
      if (derive) derived.push(...derive(fresh));
    }
    // Before other rows that a change of the tenant may hold: both take the tenant's lock first.
    await storeEvents(execute, database, derived);
    count = derived.length;
    await ROLLUPS.run(execute, database, totals.rollups);
    await TAG_ROLLUPS.run(execute, database, totals.tagRollups);
    await CLIENT_ROLLUPS.run(execute, database, totals.clientRollups);
    await DAYS.run(execute, database, totals.days);
    await storeMetrics(execute, database, totals.metrics);
    await LAST_USE.run(execute, database, totals.lastUse);
  });
  return count;
}

/** Writes events as a change of the tenant does: under its lock, with the number of the change. */
async function storeEvents(
  execute: ExecuteSql,
  { isNumbered }: UsageDatabase,
  events: readonly DerivedEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const texts = TEXTS[isNumbered ? 'numbered' : 'plain'];
  const [change] = await execute(texts.change, []);
  const sequence = Number(change?.writes);
  for (const [position, { id, name, version, data, at }] of events.entries()) {
    await execute(texts.event, [sequence, position, id, name, version, 'system', '', data, at]);
  }
}

/** @returns the events that were not stored before */
async function storeBatch(
  execute: ExecuteSql,
  { isNumbered }: UsageDatabase,
  batch: UsageBatch,
): Promise<readonly UsageEvent[]> {
  const { id, events, lines } = batch;
  if (events.length === 0) return events;
  const texts = TEXTS[isNumbered ? 'numbered' : 'plain'];
  const [first, last] = timesOf(events);
  const inserted = await execute(texts.insert, [id, first, last, events.length, lines.join('\n'), first]);
  if (inserted.length > 0) {
    await indexBatch(execute, texts.index, batch);
    return events;
  }
  // The gateway was killed before it received the confirmation, or two gateways share a data folder and one took over a
  // file that was still growing. Changes nothing, but locks the row, so that another writer of this batch waits.
  const [known] = await execute(texts.lock, [id]);
  const count = Number(known?.count);
  const fresh = events.slice(count);
  if (fresh.length === 0) return fresh;
  await execute(texts.append, [
    events.length,
    Math.max(Number(known?.last_at), timesOf(fresh)[1]),
    `\n${lines.slice(count).join('\n')}`,
    id,
  ]);
  await indexBatch(execute, texts.index, batch);
  return fresh;
}

/** Writes what the requests of a batch are searched by. */
async function indexBatch(execute: ExecuteSql, text: string, { id, events }: UsageBatch): Promise<void> {
  const { costPico, durationMs } = maximaOf(events);
  await execute(text, [id, String(BatchFilter.of(textsOf(events))), costPico, durationMs]);
}

/** @returns the first and the last time */
function timesOf(events: readonly UsageEvent[]): [first: number, last: number] {
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const { at } of events) {
    if (at < first) first = at;
    if (at > last) last = at;
  }
  return [first, last];
}

/**
 * The number of a batch: above all others, as transactions run one after another. New ones have at least the time of their
 * first event, so that numbers rise although retention has deleted all batches.
 */
const NEXT = '(SELECT coalesce(max(sequence), 0) + 1 FROM usage_batches WHERE sequence > 0)';

/** @param $ returns the placeholder of a parameter by its number, from 1 */
const textsWith = ($: (number: number) => string, largest: string) => ({
  insert: `INSERT INTO usage_batches (id, first_at, last_at, count, events, sequence) VALUES (${[1, 2, 3, 4, 5].map($).join(', ')}, ${largest}(${$(6)}, ${NEXT})) ON CONFLICT (id) DO NOTHING RETURNING id`,
  change: `INSERT INTO write_lock (id, writes) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET writes = write_lock.writes + 1 RETURNING writes`,
  event: `INSERT INTO events (sequence, position, id, name, version, actor, request_id, data, created_at) VALUES (${[1, 2, 3, 4, 5, 6, 7, 8, 9].map($).join(', ')})`,
  lock: `UPDATE usage_batches SET count = count WHERE id = ${$(1)} RETURNING count, last_at`,
  index: `INSERT INTO usage_batch_index (batch, filter, max_cost_pico, max_duration_ms) VALUES (${[1, 2, 3, 4].map($).join(', ')}) ON CONFLICT (batch) DO UPDATE SET filter = excluded.filter, max_cost_pico = excluded.max_cost_pico, max_duration_ms = excluded.max_duration_ms`,
  append: `UPDATE usage_batches SET count = ${$(1)}, last_at = ${$(2)}, events = events || ${$(3)}, sequence = ${NEXT} WHERE id = ${$(4)}`,
});

const TEXTS = {
  numbered: textsWith((number) => `$${number}`, 'greatest'),
  plain: textsWith(() => '?', 'max'),
};

function rollupsOf<Row extends UsageSums>(
  table: string,
  key: readonly (keyof Row & string)[],
  pushKey: (row: Row, values: SqlValue[]) => void,
) {
  const columns = [...key, ...USAGE_SUMS];
  const increments = USAGE_SUMS.map((name) => `${name} = ${table}.${name} + excluded.${name}`).join(', ');
  return new PreparedRows<Row>(
    (rows) =>
      `INSERT INTO ${table} (${columns.join(', ')}) VALUES ${rows} ON CONFLICT (${key.join(', ')}) DO UPDATE SET ${increments}`,
    columns.length,
    (row, values) => {
      pushKey(row, values);
      for (const name of USAGE_SUMS) values.push(row[name]);
    },
  );
}

const ROLLUPS = rollupsOf<UsageRollup>(
  'usage_rollups',
  ['period', 'start', 'key_id', 'member', 'model', 'provider'],
  ({ period, start, key_id, member, model, provider }, values) =>
    values.push(period, start, key_id, member, model, provider),
);

const TAG_ROLLUPS = rollupsOf<UsageTagRollup>(
  'usage_tag_rollups',
  ['period', 'start', 'tag', 'model'],
  ({ period, start, tag, model }, values) => values.push(period, start, tag, model),
);

const CLIENT_ROLLUPS = rollupsOf<UsageClientRollup>(
  'usage_client_rollups',
  ['period', 'start', 'client', 'model'],
  ({ period, start, client, model }, values) => values.push(period, start, client, model),
);

/** Marks days whose sums have changed. */
const DAYS = new PreparedRows<number>(
  (rows) =>
    `INSERT INTO usage_days (start, changes, copied) VALUES ${rows} ON CONFLICT (start) DO UPDATE SET changes = usage_days.changes + 1`,
  3,
  (start, values) => values.push(start, 1, 0),
);

/** The columns of VALUES are named `column1` and `column2` by both databases. */
const LAST_USE = new PreparedRows<readonly [keyId: string, at: number]>(
  (rows) =>
    `UPDATE api_keys SET last_used_at = used.column2 FROM (VALUES ${rows}) AS used WHERE api_keys.id = used.column1 AND (api_keys.last_used_at IS NULL OR api_keys.last_used_at < used.column2)`,
  2,
  ([keyId, at], values) => values.push(keyId, at),
  ['text', 'bigint'],
);
