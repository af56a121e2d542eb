import type { QuantileSketch } from '../quantile-sketch.ts';
import { type KeyTimes, METRIC_SUMS, type MetricRow, type MetricTotals } from '../usage-metrics.ts';
import { PreparedRows } from './prepared-rows.ts';
import type { ExecuteSql, SqlValue, UsageDatabase } from './usage-database.ts';

type Layout = Pick<UsageDatabase, 'rowCounts' | 'isNumbered'>;

/** Columns with sketches of times. */
const TIME_COLUMNS = ['latency', 'first_event'] as const;

interface TimedRow {
  readonly latency: QuantileSketch;
  readonly first_event: QuantileSketch;
}

/** Writes the sketches of a table's rows. A database cannot add sketches, so stored ones are read first. */
class StoredTimes<Name extends string> {
  readonly #reader: PreparedRows<readonly SqlValue[]>;

  /** @param key columns of the table's primary key; all are texts but `start` */
  constructor(
    private readonly table: string,
    private readonly key: readonly Name[],
  ) {
    const isSame = key.map((name, index) => `${table}.${name} = wanted.column${index + 1}`).join(' AND ');
    const columns = [...key, ...TIME_COLUMNS].map((name) => `${table}.${name}`).join(', ');
    this.#reader = new PreparedRows(
      // The columns of VALUES are named `column1`, `column2` and so on by both databases.
      (rows) => `SELECT ${columns} FROM (VALUES ${rows}) AS wanted JOIN ${table} ON ${isSame}`,
      key.length,
      (row, values) => values.push(...row),
      key.map((name) => (name === 'start' ? 'bigint' : 'text')),
    );
  }

  /** @returns the part of an upsert that replaces the sketches; rows without times keep theirs */
  get changes(): string[] {
    return TIME_COLUMNS.map(
      (name) =>
        `${name} = CASE WHEN excluded.${name} = '' THEN ${this.table}.${name} ELSE excluded.${name} END`,
    );
  }

  /**
   * Adds the stored sketches to those of rows that are about to replace them. Call it within the transaction that writes
   * the rows, which no other writer of the tenant's usage overlaps.
   */
  async addTo(
    execute: ExecuteSql,
    layout: Layout,
    rows: readonly (TimedRow & Readonly<Record<Name, SqlValue>>)[],
  ): Promise<void> {
    const timed = rows.filter(({ latency, first_event }) => !latency.isEmpty || !first_event.isEmpty);
    if (timed.length === 0) return;
    const valuesOf = (row: Readonly<Record<Name, SqlValue>>) => this.key.map((name) => row[name]);
    const byKey = new Map(timed.map((row) => [JSON.stringify(valuesOf(row)), row]));
    for (const stored of await this.#reader.run(execute, layout, timed.map(valuesOf))) {
      const key = this.key.map((name) => (name === 'start' ? Number(stored[name]) : stored[name]));
      const row = byKey.get(JSON.stringify(key));
      row?.latency.merge(String(stored.latency));
      row?.first_event.merge(String(stored.first_event));
    }
  }
}

const METRIC_KEY = ['period', 'start', 'model', 'provider'] as const;
const METRIC_TIMES = new StoredTimes('usage_metrics', METRIC_KEY);
const METRIC_COLUMNS = [...METRIC_KEY, ...METRIC_SUMS, ...TIME_COLUMNS];
const METRIC_CHANGES = [
  ...METRIC_SUMS.map((name) => `${name} = usage_metrics.${name} + excluded.${name}`),
  ...METRIC_TIMES.changes,
];

const METRICS = new PreparedRows<MetricRow>(
  (rows) =>
    `INSERT INTO usage_metrics (${METRIC_COLUMNS.join(', ')}) VALUES ${rows} ON CONFLICT (${METRIC_KEY.join(', ')}) DO UPDATE SET ${METRIC_CHANGES.join(', ')}`,
  METRIC_COLUMNS.length,
  (row, values) => {
    values.push(row.period, row.start, row.model, row.provider);
    for (const name of METRIC_SUMS) values.push(row[name]);
    values.push(String(row.latency), String(row.first_event));
  },
);

const KEY_TIMES_KEY = ['start', 'key_id', 'member'] as const;
const STORED_KEY_TIMES = new StoredTimes('usage_key_times', KEY_TIMES_KEY);
const KEY_TIMES = new PreparedRows<KeyTimes>(
  (rows) =>
    `INSERT INTO usage_key_times (${[...KEY_TIMES_KEY, ...TIME_COLUMNS].join(', ')}) VALUES ${rows} ON CONFLICT (${KEY_TIMES_KEY.join(', ')}) DO UPDATE SET ${STORED_KEY_TIMES.changes.join(', ')}`,
  KEY_TIMES_KEY.length + TIME_COLUMNS.length,
  ({ start, key_id, member, latency, first_event }, values) =>
    values.push(start, key_id, member, String(latency), String(first_event)),
);

/** Adds metrics to those that are stored. */
export async function storeMetrics(
  execute: ExecuteSql,
  layout: Layout,
  { rows, keyTimes }: MetricTotals,
): Promise<void> {
  await METRIC_TIMES.addTo(execute, layout, rows);
  await METRICS.run(execute, layout, rows);
  await STORED_KEY_TIMES.addTo(execute, layout, keyTimes);
  await KEY_TIMES.run(execute, layout, keyTimes);
}
