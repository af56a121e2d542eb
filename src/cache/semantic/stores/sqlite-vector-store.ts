import type { SqliteRow, SqliteStatementCall, SqliteThread } from '../../../platform/sqlite-thread.ts';
import type { CacheFilter } from '../../cache-store.ts';
import type { VectorMatch, VectorQuery, VectorRecord, VectorStore } from '../vector-store.ts';

export interface SqliteVectorOptions {
  readonly thread: Pick<SqliteThread, 'run' | 'close'>;
  /** Records of all tenants; the oldest ones are removed first. */
  readonly maxEntries: () => number;
}

/** Vectors that sqlite-vec allocates at once for a partition. Most partitions have few. */
const CHUNK = 32;
/** The nearest ones may have expired: so many more are read. */
const EXPIRED = 20;
/** Records are counted after so many additions. */
const CLEAN_EVERY = 100;

const SCHEMA: readonly SqliteStatementCall[] = [
  {
    sql: `CREATE TABLE IF NOT EXISTS questions (
      rowid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, dimensions INTEGER NOT NULL, partition TEXT NOT NULL,
      tenant TEXT NOT NULL, namespace TEXT NOT NULL, model TEXT NOT NULL, tags TEXT NOT NULL,
      stored_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, payload TEXT NOT NULL)`,
  },
  { sql: 'CREATE INDEX IF NOT EXISTS questions_stored ON questions (stored_at)' },
];

/**
 * Keeps vectors in a SQLite file with the extension sqlite-vec, in a thread of its own. Each number of dimensions has a table.
 *
 * @see https://alexgarcia.xyz/sqlite-vec/features/vec0.html
 */
export class SqliteVectorStore implements VectorStore {
  readonly #dimensions = new Map<number, Promise<unknown>>();
  #ready: Promise<unknown> | undefined;
  #added = 0;

  constructor(private readonly options: SqliteVectorOptions) {}

  async search(query: VectorQuery): Promise<readonly VectorMatch[]> {
    const { tenant, partition, vector, limit, threshold, now } = query;
    await this.#prepare(vector.length);
    const [rows = []] = await this.options.thread.run([
      {
        sql: `SELECT q.id, q.payload, v.distance FROM (
            SELECT rowid, distance FROM vectors_${vector.length} WHERE partition = ? AND embedding MATCH ? AND k = ?
          ) v JOIN questions q ON q.rowid = v.rowid
          WHERE q.tenant = ? AND q.expires_at > ? ORDER BY v.distance LIMIT ?`,
        params: [partition, vector, limit + EXPIRED, tenant, now, limit],
      },
    ]);
    return rows
      .map(({ id, payload, distance }) => ({
        id: String(id),
        payload: String(payload),
        similarity: 1 - Number(distance),
      }))
      .filter(({ similarity }) => similarity >= threshold);
  }

  async add(record: VectorRecord): Promise<void> {
    const { id, partition, owner, storedAt, expiresAt, vector, payload } = record;
    const { tenant, namespace, model, tags } = owner;
    await this.#prepare(vector.length);
    await this.#removeWhere('id = ?', [id]);
    await this.options.thread.run([
      {
        sql: `INSERT INTO questions (id, dimensions, partition, tenant, namespace, model, tags, stored_at, expires_at, payload)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        params: [
          id,
          vector.length,
          partition,
          tenant,
          namespace,
          model,
          JSON.stringify(tags),
          storedAt,
          expiresAt,
          payload,
        ],
      },
      {
        sql: `INSERT INTO vectors_${vector.length} (rowid, partition, embedding)
          VALUES ((SELECT rowid FROM questions WHERE id = ?), ?, ?)`,
        params: [id, partition, vector],
      },
    ]);
    this.#added += 1;
    if (this.#added % CLEAN_EVERY === 0) await this.#clean(storedAt);
  }

  async remove(id: string, tenant: string): Promise<void> {
    await this.#prepare();
    await this.#removeWhere('id = ? AND tenant = ?', [id, tenant]);
  }

  async clear(filter: CacheFilter, dryRun: boolean): Promise<number> {
    await this.#prepare();
    const conditions: string[] = ['1 = 1'];
    const params: (string | number)[] = [];
    const add = (condition: string, value: string | number | undefined) => {
      if (value === undefined) return;
      conditions.push(condition);
      params.push(value);
    };
    add('tenant = ?', filter.tenant);
    add('model = ?', filter.model);
    add('namespace = ?', filter.namespace);
    add('EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)', filter.tag);
    add('stored_at < ?', filter.storedBefore);
    const where = conditions.join(' AND ');
    if (!dryRun) return this.#removeWhere(where, params);
    const [rows = []] = await this.options.thread.run([
      { sql: `SELECT count(*) AS count FROM questions WHERE ${where}`, params },
    ]);
    return Number(rows[0]?.count ?? 0);
  }

  contents(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    await this.options.thread.close();
  }

  async #prepare(dimensions?: number): Promise<void> {
    this.#ready ??= this.#once(SCHEMA, () => {
      this.#ready = undefined;
    });
    await this.#ready;
    if (dimensions === undefined) return;
    const table = {
      sql: `CREATE VIRTUAL TABLE IF NOT EXISTS vectors_${dimensions} USING vec0(
        partition TEXT PARTITION KEY, embedding FLOAT[${dimensions}] distance_metric=cosine, chunk_size=${CHUNK})`,
    };
    const known =
      this.#dimensions.get(dimensions) ?? this.#once([table], () => this.#dimensions.delete(dimensions));
    this.#dimensions.set(dimensions, known);
    await known;
  }

  /** A failure is not remembered: the next call tries again. */
  #once(calls: readonly SqliteStatementCall[], onFailed: () => void): Promise<unknown> {
    const running = this.options.thread.run(calls);
    running.catch(onFailed);
    return running;
  }

  async #removeWhere(where: string, params: readonly (string | number)[]): Promise<number> {
    const { thread } = this.options;
    const [rows = []] = await thread.run([
      { sql: `SELECT rowid, dimensions FROM questions WHERE ${where}`, params },
    ]);
    const calls = rows.flatMap((row: SqliteRow) => [
      { sql: `DELETE FROM vectors_${Number(row.dimensions)} WHERE rowid = ?`, params: [Number(row.rowid)] },
      { sql: 'DELETE FROM questions WHERE rowid = ?', params: [Number(row.rowid)] },
    ]);
    if (calls.length > 0) await thread.run(calls);
    return rows.length;
  }

  /** @param now Unix milliseconds */
  async #clean(now: number): Promise<void> {
    await this.#removeWhere('expires_at <= ?', [now]);
    const newest = 'SELECT rowid FROM questions ORDER BY stored_at DESC, rowid DESC LIMIT ?';
    await this.#removeWhere(`rowid NOT IN (${newest})`, [this.options.maxEntries()]);
  }
}
