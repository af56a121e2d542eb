import type { CacheFilter } from '../../cache-store.ts';
import type { VectorMatch, VectorQuery, VectorRecord, VectorStore } from '../vector-store.ts';

export type PostgresRow = Readonly<Record<string, unknown>>;

/** Runs one statement with parameters `$1`, `$2`, ... */
export type PostgresQuery = (sql: string, params: readonly unknown[]) => Promise<readonly PostgresRow[]>;

export interface PostgresVectorOptions {
  readonly query: PostgresQuery;
  /** Records of all tenants; the oldest ones are removed first. */
  readonly maxEntries: () => number;
  readonly close: () => Promise<void>;
}

/** Records are counted after so many additions. */
const CLEAN_EVERY = 100;

const SCHEMA = [
  'CREATE EXTENSION IF NOT EXISTS vector',
  `CREATE TABLE IF NOT EXISTS weir_semantic_questions (
    id text PRIMARY KEY, partition text NOT NULL, dimensions integer NOT NULL, embedding vector NOT NULL,
    tenant text NOT NULL, namespace text NOT NULL, model text NOT NULL, tags text[] NOT NULL,
    stored_at bigint NOT NULL, expires_at bigint NOT NULL, payload text NOT NULL)`,
  'CREATE INDEX IF NOT EXISTS weir_semantic_questions_partition ON weir_semantic_questions (partition, dimensions)',
  'CREATE INDEX IF NOT EXISTS weir_semantic_questions_stored ON weir_semantic_questions (stored_at)',
];

/**
 * Keeps vectors in PostgreSQL with the extension pgvector. A search compares all vectors of a partition: exact, and without
 * an index that would have to be built for each number of dimensions.
 *
 * @see https://github.com/pgvector/pgvector
 */
export class PostgresVectorStore implements VectorStore {
  #ready: Promise<void> | undefined;
  #added = 0;

  constructor(private readonly options: PostgresVectorOptions) {}

  async search(query: VectorQuery): Promise<readonly VectorMatch[]> {
    const { tenant, partition, vector, limit, threshold, now } = query;
    await this.#prepare();
    const rows = await this.options.query(
      `SELECT id, payload, distance FROM (
        SELECT id, payload, embedding <=> $1::vector AS distance FROM weir_semantic_questions
        WHERE partition = $2 AND dimensions = $3 AND tenant = $4 AND expires_at > $5) AS compared
      WHERE distance <= $6 ORDER BY distance LIMIT $7`,
      [textOf(vector), partition, vector.length, tenant, now, 1 - threshold + 1e-6, limit],
    );
    return rows
      .map(({ id, payload, distance }) => ({
        id: String(id),
        payload: String(payload),
        similarity: 1 - Number(distance),
      }))
      .filter(({ similarity }) => similarity >= threshold - 1e-6);
  }

  async add({ id, partition, owner, storedAt, expiresAt, vector, payload }: VectorRecord): Promise<void> {
    const { tenant, namespace, model, tags } = owner;
    await this.#prepare();
    await this.options.query(
      `INSERT INTO weir_semantic_questions
        (id, partition, dimensions, embedding, tenant, namespace, model, tags, stored_at, expires_at, payload)
      VALUES ($1, $2, $3, $4::vector, $5, $6, $7, $8, $9, $10, $11)
      ON CONFLICT (id) DO UPDATE SET partition = excluded.partition, dimensions = excluded.dimensions,
        embedding = excluded.embedding, tenant = excluded.tenant, namespace = excluded.namespace, model = excluded.model,
        tags = excluded.tags, stored_at = excluded.stored_at, expires_at = excluded.expires_at, payload = excluded.payload`,
      [
        ...[id, partition, vector.length, textOf(vector), tenant, namespace, model],
        ...[[...tags], storedAt, expiresAt, payload],
      ],
    );
    this.#added += 1;
    if (this.#added % CLEAN_EVERY === 0) await this.#clean(storedAt);
  }

  async remove(id: string, tenant: string): Promise<void> {
    await this.#prepare();
    await this.options.query('DELETE FROM weir_semantic_questions WHERE id = $1 AND tenant = $2', [
      id,
      tenant,
    ]);
  }

  async clear(filter: CacheFilter, dryRun: boolean): Promise<number> {
    await this.#prepare();
    const { tenant = null, model = null, namespace = null, tag = null, storedBefore = null } = filter;
    const where = `($1::text IS NULL OR tenant = $1) AND ($2::text IS NULL OR model = $2)
      AND ($3::text IS NULL OR namespace = $3) AND ($4::text IS NULL OR $4 = ANY (tags))
      AND ($5::bigint IS NULL OR stored_at < $5)`;
    const params = [tenant, model, namespace, tag, storedBefore];
    if (dryRun) {
      const rows = await this.options.query(
        `SELECT count(*) AS count FROM weir_semantic_questions WHERE ${where}`,
        params,
      );
      return Number(rows[0]?.count ?? 0);
    }
    const removed = await this.options.query(
      `DELETE FROM weir_semantic_questions WHERE ${where} RETURNING id`,
      params,
    );
    return removed.length;
  }

  contents(): undefined {
    return undefined;
  }

  close(): Promise<void> {
    return this.options.close();
  }

  #prepare(): Promise<void> {
    this.#ready ??= this.#create().catch((error: unknown) => {
      // The next call tries again.
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  async #create(): Promise<void> {
    for (const sql of SCHEMA) await this.options.query(sql, []);
  }

  /** @param now Unix milliseconds */
  async #clean(now: number): Promise<void> {
    await this.options.query('DELETE FROM weir_semantic_questions WHERE expires_at <= $1', [now]);
    await this.options.query(
      `DELETE FROM weir_semantic_questions WHERE id IN (
        SELECT id FROM weir_semantic_questions ORDER BY stored_at DESC, id OFFSET $1)`,
      [this.options.maxEntries()],
    );
  }
}

/** The text form of pgvector. */
function textOf(vector: Float32Array): string {
  return `[${vector.join(',')}]`;
}
