import type { Kysely } from 'kysely';
import { z } from 'zod';
import { assertKnownMigrations, type DatabaseSchema } from './database-schema.ts';
import type { DatabaseServer } from './database-server.ts';
import { recordMigrations } from './migrate.ts';
import { type RowTexts, type TableColumn, TableRows } from './table-rows.ts';

/** Version of the lines. */
export const DUMP_VERSION = 1;
/** Characters and rows that are inserted at once, about. */
const CHUNK_LENGTH = 2 * 1024 * 1024;
const MAX_ROWS = 1_000;

const header = z.object({ weir_dump: z.literal(DUMP_VERSION), migrations: z.array(z.string()) });
const tableHead = z.object({ table: z.string(), columns: z.array(z.string()) });
const end = z.object({ rows: z.int() });
const row = z.array(z.string().nullable());

/** A dump is not usable. */
export class DumpError extends Error {
  override readonly name = 'DumpError';
}

/**
 * Replaces the tables of a database with those of a dump, with the schema that the dump was made with. A dump consists of lines
 * of JSON: a header, then for each table its columns and its rows as lists of texts, then the number of rows.
 *
 * @param transaction in which all of it happens
 * @throws DumpError for a damaged dump, NewerDatabaseError for one of a newer version; the database's error
 */
export async function readDump<Tables>(
  transaction: Kysely<Tables>,
  backend: DatabaseServer['backend'],
  schema: DatabaseSchema,
  lines: AsyncIterable<string>,
): Promise<void> {
  const rows = new TableRows(transaction, backend);
  let table: DumpedTable<Tables> | undefined;
  let number = 0;
  let count = 0;
  let complete = false;
  for await (const text of lines) {
    number += 1;
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
        table = await DumpedTable.open(rows, next.table, next.columns);
      }
    }
  }
  if (!complete) throw new DumpError('the dump is incomplete');
}

/** Inserts the rows of one table in chunks. */
class DumpedTable<Tables> {
  #waiting: RowTexts[] = [];
  #length = 0;

  private constructor(
    private readonly rows: TableRows<Tables>,
    private readonly name: string,
    private readonly columns: readonly TableColumn[],
  ) {}

  static async open<Tables>(
    rows: TableRows<Tables>,
    table: string,
    names: readonly string[],
  ): Promise<DumpedTable<Tables>> {
    const shape = await rows.shapeOf(table);
    const columns = names.map((name) => {
      const column = shape?.columns.find((one) => one.name === name);
      if (!column) throw new DumpError(`the dump has an unknown column: ${table}.${name}`);
      return column;
    });
    return new DumpedTable(rows, table, columns);
  }

  async add(values: RowTexts): Promise<void> {
    this.#waiting.push(values);
    for (const value of values) this.#length += value?.length ?? 1;
    if (this.#length >= CHUNK_LENGTH || this.#waiting.length >= MAX_ROWS) await this.insert();
  }

  /** Inserts the rows that are not inserted yet. */
  async insert(): Promise<void> {
    const rows = this.#waiting;
    this.#waiting = [];
    this.#length = 0;
    await this.rows.insert(this.name, this.columns, rows);
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
