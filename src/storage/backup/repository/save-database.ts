import type { Kysely } from 'kysely';
import { sha256Hex } from '../../../platform/hash.ts';
import type { DatabaseSchema } from '../../sql/database-schema.ts';
import type { DatabaseServer } from '../../sql/database-server.ts';
import { DUMP_VERSION } from '../../sql/dump-lines.ts';
import { type RowTexts, TableRows, type TableShape } from '../../sql/table-rows.ts';
import { type ChunkWriter, LineChunks } from './chunk-writer.ts';
import type { Chunk, ChunkRun } from './snapshot.ts';

/**
 * Tables that are too large to be read for each backup, by the columns that identify the content of a row: a row whose columns
 * are the same is the same.
 */
const IDENTITIES: Readonly<Record<string, readonly string[]>> = {
  usage_batches: ['id', 'count', 'last_at'],
};

/** Length at which a chunk of such rows ends; smaller ones are read again and joined. */
const RUN_LENGTH = 1024 * 1024;
const MIN_REUSED_BYTES = RUN_LENGTH / 4;

export interface DatabaseSource<Tables> {
  /** In a transaction that sees one state. */
  readonly db: Kysely<Tables>;
  readonly backend: DatabaseServer['backend'];
  readonly schema: DatabaseSchema;
  readonly migrations: readonly string[];
}

/**
 * Writes the tables of a database as lines of JSON (`dump-lines.ts`) in chunks. Rows of large tables that the previous backup
 * has are not read again.
 * @param previous chunks of the same database in the previous backup; they are in the repository
 */
export async function saveDatabase<Tables>(
  { db, backend, schema, migrations }: DatabaseSource<Tables>,
  writer: ChunkWriter,
  previous: readonly Chunk[],
): Promise<readonly Chunk[]> {
  const rows = new TableRows(db, backend);
  const lines = new LineChunks(writer);
  await lines.add(JSON.stringify({ weir_dump: DUMP_VERSION, migrations: [...migrations].sort() }));
  let count = 0;
  for (const table of schema.tables) {
    const shape = await rows.shapeOf(table);
    // The database was created by a version without this table.
    if (!shape) continue;
    const names = shape.columns.map(({ name }) => name);
    await lines.add(JSON.stringify({ table, columns: names }));
    if (IDENTITIES[table] === undefined) {
      for await (const chunk of rows.read(shape, names)) {
        for (const row of chunk) await lines.add(JSON.stringify(row));
        count += chunk.length;
      }
    } else {
      count += await new UnchangingTable(rows, shape, IDENTITIES[table], lines).save(previous);
    }
  }
  await lines.add(JSON.stringify({ rows: count }));
  await lines.cut();
  return lines.chunks;
}

interface RowIdentity {
  readonly key: RowTexts;
  readonly identity: string;
}

/** A table whose rows are recognised without being read. */
class UnchangingTable<Tables> {
  readonly #names: readonly string[];

  constructor(
    private readonly rows: TableRows<Tables>,
    private readonly shape: TableShape,
    private readonly identity: readonly string[],
    private readonly lines: LineChunks,
  ) {
    this.#names = shape.columns.map(({ name }) => name);
  }

  /** @returns the number of rows */
  async save(previous: readonly Chunk[]): Promise<number> {
    const present = await this.#identities();
    const places = new Map(present.map(({ key }, at) => [JSON.stringify(key), at]));
    await this.lines.cut();
    let at = 0;
    for (const chunk of previous) {
      const { run } = chunk;
      if (run?.table !== this.shape.name || chunk.bytes < MIN_REUSED_BYTES) continue;
      const first = places.get(JSON.stringify(run.first));
      const last = places.get(JSON.stringify(run.last));
      if (first === undefined || last === undefined || first < at || last - first + 1 !== run.rows) continue;
      if (this.#hash(present.slice(first, last + 1)) !== run.hash) continue;
      await this.#write(present.slice(at, first), present[at - 1]?.key, present[first]?.key);
      await this.lines.reuse(chunk);
      at = last + 1;
    }
    await this.#write(present.slice(at), present[at - 1]?.key, undefined);
    return present.length;
  }

  async #identities(): Promise<RowIdentity[]> {
    const keys = this.shape.key.map(({ name }) => name);
    const found: RowIdentity[] = [];
    for await (const chunk of this.rows.read(this.shape, [...keys, ...this.identity])) {
      for (const row of chunk) {
        found.push({ key: row.slice(0, keys.length), identity: JSON.stringify(row.slice(keys.length)) });
      }
    }
    return found;
  }

  /** Reads and writes the rows between two keys. */
  async #write(
    expected: readonly RowIdentity[],
    after: RowTexts | undefined,
    before: RowTexts | undefined,
  ): Promise<void> {
    if (expected.length === 0) return;
    let begin = 0;
    let end = 0;
    let length = 0;
    const cut = async () => {
      const run = this.#runOf(expected.slice(begin, end));
      if (run) await this.lines.cut(run);
      begin = end;
      length = 0;
    };
    for await (const chunk of this.rows.read(this.shape, this.#names, { after, before })) {
      for (const row of chunk) {
        const line = JSON.stringify(row);
        this.lines.hold(line);
        end += 1;
        length += line.length;
        if (length >= RUN_LENGTH) await cut();
      }
    }
    await cut();
  }

  #runOf(rows: readonly RowIdentity[]): ChunkRun | undefined {
    const [first] = rows;
    const last = rows.at(-1);
    if (!first || !last) return undefined;
    return {
      table: this.shape.name,
      first: [...first.key],
      last: [...last.key],
      rows: rows.length,
      hash: this.#hash(rows),
    };
  }

  /** With the columns, because a row gets another one by a migration. */
  #hash(rows: readonly RowIdentity[]): string {
    return sha256Hex(JSON.stringify([this.#names, rows.map(({ identity }) => identity)]));
  }
}
