import { createReadStream, createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { type Kysely, sql } from 'kysely';
import { z } from 'zod';
import { assertKnownMigrations, type DatabaseSchema } from './database-schema.ts';
import { appliedMigrations, recordMigrations } from './migrate.ts';

/** Version of the file format. */
const VERSION = 1;
/** Characters that one query reads and one statement inserts, about. */
const CHUNK_LENGTH = 2 * 1024 * 1024;
const MIN_ROWS = 1;
const MAX_ROWS = 1_000;

const header = z.object({ weir_dump: z.literal(VERSION), migrations: z.array(z.string()) });
const tableHead = z.object({ table: z.string(), columns: z.array(z.string()) });
const end = z.object({ rows: z.int() });
const row = z.array(z.string().nullable());

/** A dump is not usable. */
export class DumpError extends Error {
  override readonly name = 'DumpError';
}

/**
 * Writes the tables of a database to a new file: compressed lines of JSON, a header, then for each table its columns and
 * its rows as lists of texts. Only its owner may read the file.
 *
 * @param connection a single connection in a transaction that sees one state, such as `repeatable read`
 * @throws the database's error, or the file's
 */
export async function writeDump<Tables>(
  connection: Kysely<Tables>,
  { tables }: DatabaseSchema,
  file: string,
): Promise<void> {
  const lines = Readable.from(dumpLines(connection, tables));
  await pipeline(lines, createGzip(), createWriteStream(file, { mode: 0o600, flags: 'wx', flush: true }));
}

async function* dumpLines<Tables>(
  connection: Kysely<Tables>,
  tables: readonly string[],
): AsyncGenerator<string> {
  yield line({ weir_dump: VERSION, migrations: await appliedMigrations(connection) });
  let count = 0;
  for (const table of tables) {
    const columns = [...(await columnsOf(connection, table)).keys()];
    // The database was created by a version without this table.
    if (columns.length === 0) continue;
    yield line({ table, columns });
    for await (const values of rowsOf(connection, table, columns)) {
      count += values.length;
      yield values.map(line).join('');
    }
  }
  yield line({ rows: count });
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** Yields the rows in chunks of similar length, because rows of usage are a thousand times longer than those of keys. */
async function* rowsOf<Tables>(
  connection: Kysely<Tables>,
  table: string,
  columns: readonly string[],
): AsyncGenerator<(string | null)[][]> {
  const texts = columns.map((name) => sql`${sql.ref(name)}::text AS ${sql.ref(name)}`);
  await sql`
    DECLARE weir_dump NO SCROLL CURSOR FOR SELECT ${sql.join(texts)} FROM ${sql.table(table)}`.execute(
    connection,
  );
  let rows = MIN_ROWS;
  for (;;) {
    const fetched = await sql<Record<string, string | null>>`
      FETCH ${sql.lit(rows)} FROM weir_dump`.execute(connection);
    if (fetched.rows.length === 0) break;
    const values = fetched.rows.map((one) => columns.map((name) => one[name] ?? null));
    yield values;
    rows = clamp(Math.floor((CHUNK_LENGTH * values.length) / lengthOf(values)), 2 * rows);
  }
  await sql`CLOSE weir_dump`.execute(connection);
}

function clamp(rows: number, most: number): number {
  return Math.max(MIN_ROWS, Math.min(rows, most, MAX_ROWS));
}

function lengthOf(rows: readonly (readonly (string | null)[])[]): number {
  let length = 1;
  for (const values of rows) for (const value of values) length += value?.length ?? 0;
  return length;
}

/** @returns types by column, in the table's order; empty when the table does not exist */
async function columnsOf<Tables>(connection: Kysely<Tables>, table: string): Promise<Map<string, string>> {
  const { rows } = await sql<{ name: string; type: string }>`
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
    WHERE attrelid = to_regclass(quote_ident(current_schema()) || '.' || quote_ident(${table}))
      AND attnum > 0 AND NOT attisdropped ORDER BY attnum`.execute(connection);
  return new Map(rows.map(({ name, type }) => [name, type]));
}

/**
 * Replaces the tables of a database with those of a dump, with the schema that the dump was made with.
 *
 * @param transaction in which all of it happens
 * @throws DumpError for a damaged dump, NewerDatabaseError for one of a newer version; the database's error
 */
export async function readDump<Tables>(
  transaction: Kysely<Tables>,
  schema: DatabaseSchema,
  file: string,
): Promise<void> {
  let table: DumpedTable<Tables> | undefined;
  let count = 0;
  let complete = false;
  for await (const [number, text] of linesOf(file)) {
    const value = parsed(text, number);
    if (number === 1) {
      await createSchema(transaction, schema, checked(header, value, number).migrations);
    } else if (Array.isArray(value)) {
      if (!table) throw damaged(number);
      count += 1;
      await table.add(checked(row, value, number));
    } else {
      await table?.insert();
      const last = end.safeParse(value).data;
      if (last) {
        if (last.rows !== count) throw damaged(number);
        complete = true;
      } else {
        const next = checked(tableHead, value, number);
        table = await DumpedTable.open(transaction, next.table, next.columns);
      }
    }
  }
  if (!complete) throw new DumpError('the dump is incomplete');
}

/** Inserts the rows of one table in chunks. */
class DumpedTable<Tables> {
  /** Values by column. */
  #values: (string | null)[][];
  #length = 0;

  private constructor(
    private readonly transaction: Kysely<Tables>,
    private readonly name: string,
    private readonly columns: readonly { readonly name: string; readonly type: string }[],
  ) {
    this.#values = columns.map(() => []);
  }

  static async open<Tables>(
    transaction: Kysely<Tables>,
    table: string,
    names: readonly string[],
  ): Promise<DumpedTable<Tables>> {
    const types = await columnsOf(transaction, table);
    const columns = names.map((name) => {
      const type = types.get(name);
      if (type === undefined) throw new DumpError(`the dump has an unknown column: ${table}.${name}`);
      return { name, type };
    });
    return new DumpedTable(transaction, table, columns);
  }

  async add(values: readonly (string | null)[]): Promise<void> {
    for (const [at, column] of this.#values.entries()) {
      const value = values[at] ?? null;
      column.push(value);
      this.#length += value?.length ?? 1;
    }
    if (this.#length >= CHUNK_LENGTH || (this.#values[0]?.length ?? 0) >= MAX_ROWS) await this.insert();
  }

  /** Inserts the rows that are not inserted yet. */
  async insert(): Promise<void> {
    if ((this.#values[0]?.length ?? 0) === 0) return;
    const lists = this.#values.map((values) => sql`${values}::text[]`);
    const aliases = this.columns.map((_, at) => sql.ref(`c${at}`));
    // The type is the database's own name for it.
    const casts = this.columns.map(({ type }, at) => sql`${sql.ref(`c${at}`)}::${sql.raw(type)}`);
    await sql`
      INSERT INTO ${sql.table(this.name)} (${sql.join(this.columns.map(({ name }) => sql.ref(name)))})
      SELECT ${sql.join(casts)} FROM unnest(${sql.join(lists)}) AS dumped(${sql.join(aliases)})`.execute(
      this.transaction,
    );
    this.#values = this.columns.map(() => []);
    this.#length = 0;
  }
}

/** Creates the tables as the given migrations leave them; tables with the same names are dropped. */
async function createSchema<Tables>(
  transaction: Kysely<Tables>,
  schema: DatabaseSchema,
  names: readonly string[],
): Promise<void> {
  assertKnownMigrations(schema, names);
  for (const table of schema.tables) await transaction.schema.dropTable(table).ifExists().execute();
  const applied = [...names].sort();
  for (const name of applied) await schema.migrations[name]?.up(transaction);
  await recordMigrations(transaction, applied);
}

/** Yields the lines of a dump with their numbers, from 1. */
async function* linesOf(file: string): AsyncGenerator<[number: number, text: string]> {
  const decoder = new TextDecoder();
  let number = 0;
  let rest = '';
  const source = createReadStream(file);
  const unpacked = createGunzip();
  // `pipe` does not forward errors.
  source.on('error', (error) => unpacked.destroy(error));
  for await (const chunk of source.pipe(unpacked)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) {
      number += 1;
      yield [number, text];
    }
  }
}

function parsed(text: string, number: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DumpError(`line ${number} of the dump is damaged`, { cause });
  }
}

function checked<T>(schema: z.ZodType<T>, value: unknown, number: number): T {
  const { data } = schema.safeParse(value);
  if (data === undefined) throw damaged(number);
  return data;
}

function damaged(number: number): DumpError {
  return new DumpError(`line ${number} of the dump is damaged`);
}
