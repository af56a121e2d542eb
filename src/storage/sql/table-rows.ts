import { type Kysely, sql } from 'kysely';
import type { DatabaseServer } from './database-server.ts';

/** Characters that one query reads and one statement inserts, about. */
const CHUNK_LENGTH = 2 * 1024 * 1024;
const MAX_ROWS = 1_000;
/** Parameters of one statement of SQLite; the limit is 32,766 in older versions. */
const MAX_PARAMETERS = 30_000;

type Backend = DatabaseServer['backend'];

/** A row as texts, in the order of its table's columns. */
export type RowTexts = readonly (string | null)[];

export interface TableColumn {
  readonly name: string;
  /** As the database names it. */
  readonly type: string;
}

/** A table as a database has it now. */
export interface TableShape {
  readonly name: string;
  readonly columns: readonly TableColumn[];
  /** The columns of the primary key, in its order, or the place of the row where there is none. */
  readonly key: readonly TableColumn[];
}

/** Keys between which rows are read; both are optional. */
export interface KeyRange {
  readonly after?: RowTexts | undefined;
  readonly before?: RowTexts | undefined;
}

/** Reads and writes tables of any schema as texts, on both kinds of databases. */
export class TableRows<Tables> {
  constructor(
    private readonly db: Kysely<Tables>,
    private readonly backend: Backend,
  ) {}

  /** @returns undefined for a table that does not exist */
  async shapeOf(name: string): Promise<TableShape | undefined> {
    const columns =
      this.backend === 'sqlite' ? await this.#sqliteColumns(name) : await this.#postgresColumns(name);
    if (columns.length === 0) return undefined;
    const key = columns.filter(({ place }) => place > 0).sort((one, other) => one.place - other.place);
    return {
      name,
      columns: columns.map(plain),
      key: key.length > 0 ? key.map(plain) : [ROW_PLACE[this.backend]],
    };
  }

  /**
   * Yields rows in the order of the primary key, in chunks of similar length, because rows of usage are a thousand times
   * longer than those of keys.
   * @param names the columns to read
   */
  async *read(shape: TableShape, names: readonly string[], range: KeyRange = {}): AsyncGenerator<RowTexts[]> {
    const keyNames = shape.key.map(({ name }) => name);
    const read = [...new Set([...names, ...keyNames])];
    const texts = read.map((name) => sql`CAST(${sql.ref(name)} AS TEXT) AS ${sql.ref(name)}`);
    const keys = sql.join(keyNames.map((name) => sql.ref(name)));
    let { after } = range;
    let limit = 1;
    for (;;) {
      const conditions = [
        ...(after ? [sql`(${keys}) > (${this.#key(shape, after)})`] : []),
        ...(range.before ? [sql`(${keys}) < (${this.#key(shape, range.before)})`] : []),
      ];
      const where = conditions.length === 0 ? sql`` : sql`WHERE ${sql.join(conditions, sql` AND `)}`;
      const { rows } = await sql<Record<string, string | null>>`
        SELECT ${sql.join(texts)} FROM ${sql.table(shape.name)} ${where}
        ORDER BY ${keys} LIMIT ${sql.lit(limit)}`.execute(this.db);
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows.map((row) => names.map((name) => row[name] ?? null));
      if (rows.length < limit) return;
      after = keyNames.map((name) => last[name] ?? null);
      const fitting = Math.floor((CHUNK_LENGTH * rows.length) / lengthOf(rows));
      limit = Math.max(1, Math.min(fitting, 2 * limit, MAX_ROWS));
    }
  }

  /** Inserts rows with some columns of a table, in statements of bounded length. */
  async insert(name: string, columns: readonly TableColumn[], rows: readonly RowTexts[]): Promise<void> {
    if (rows.length === 0) return;
    const names = sql.join(columns.map((column) => sql.ref(column.name)));
    if (this.backend === 'postgres') {
      const lists = columns.map((_, at) => sql`${rows.map((row) => row[at] ?? null)}::text[]`);
      const aliases = columns.map((_, at) => sql.ref(`c${at}`));
      const casts = columns.map(({ type }, at) => sql`${sql.ref(`c${at}`)}::${sql.raw(type)}`);
      await sql`
        INSERT INTO ${sql.table(name)} (${names})
        SELECT ${sql.join(casts)} FROM unnest(${sql.join(lists)}) AS dumped(${sql.join(aliases)})`.execute(
        this.db,
      );
      return;
    }
    const perStatement = Math.max(1, Math.floor(MAX_PARAMETERS / columns.length));
    for (let at = 0; at < rows.length; at += perStatement) {
      const values = rows
        .slice(at, at + perStatement)
        .map((row) => sql`(${sql.join(columns.map(({ type }, column) => cast(type, row[column] ?? null)))})`);
      await sql`INSERT INTO ${sql.table(name)} (${names}) VALUES ${sql.join(values)}`.execute(this.db);
    }
  }

  #key({ key }: TableShape, values: RowTexts) {
    return sql.join(
      key.map(({ type }, at) => {
        const value = values[at] ?? null;
        return this.backend === 'sqlite' ? cast(type, value) : sql`${value}::text::${sql.raw(type)}`;
      }),
    );
  }

  async #sqliteColumns(name: string) {
    const { rows } = await sql<{ name: string; type: string; pk: number }>`
      SELECT name, type, pk FROM pragma_table_info(${name})`.execute(this.db);
    return rows.map(({ name: column, type, pk }) => ({ name: column, type, place: pk }));
  }

  async #postgresColumns(name: string) {
    // The database's own names of types, which are inserted into statements.
    const { rows } = await sql<{ name: string; type: string; place: number | null }>`
      SELECT attname AS name, format_type(atttypid, atttypmod) AS type,
        array_position(indkey::int2[], attnum) AS place
      FROM pg_attribute LEFT JOIN pg_index ON indrelid = attrelid AND indisprimary
      WHERE attrelid = to_regclass(quote_ident(current_schema()) || '.' || quote_ident(${name}))
        AND attnum > 0 AND NOT attisdropped ORDER BY attnum`.execute(this.db);
    // Positions of this vector begin at 0.
    return rows.map(({ name: column, type, place }) => ({
      name: column,
      type,
      place: place === null ? 0 : Number(place) + 1,
    }));
  }
}

/** The place of a row, for tables without a primary key. */
const ROW_PLACE = {
  sqlite: { name: 'rowid', type: 'integer' },
  postgres: { name: 'ctid', type: 'tid' },
} as const;

function plain({ name, type }: TableColumn): TableColumn {
  return { name, type };
}

/** SQLite converts a text in a column of numbers, but not in a comparison. */
function cast(type: string, value: string | null) {
  return /int/i.test(type) ? sql`CAST(${value} AS INTEGER)` : sql`${value}`;
}

function lengthOf(rows: readonly Record<string, string | null>[]): number {
  let length = 1;
  for (const row of rows) for (const value of Object.values(row)) length += value?.length ?? 0;
  return length;
}
