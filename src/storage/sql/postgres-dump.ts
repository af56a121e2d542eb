import { createReadStream, createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { type Kysely, sql } from 'kysely';
import type { DatabaseSchema } from './database-schema.ts';
import { DUMP_VERSION } from './dump-lines.ts';
import { appliedMigrations } from './migrate.ts';

/** Characters that one query reads, about. */
const CHUNK_LENGTH = 2 * 1024 * 1024;
const MIN_ROWS = 1;
const MAX_ROWS = 1_000;

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
  yield line({ weir_dump: DUMP_VERSION, migrations: await appliedMigrations(connection) });
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

/** Yields the lines of a dump. */
export async function* linesOfFile(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  const source = createReadStream(file);
  const unpacked = createGunzip();
  // `pipe` does not forward errors.
  source.on('error', (error) => unpacked.destroy(error));
  for await (const chunk of source.pipe(unpacked)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}
