import { type CompiledQuery, createQueryId, type Kysely, PostgresAdapter, RawNode } from 'kysely';

/** Rows of one statement; its text stays the same, so that the database has prepared it already. */
const ROWS = 100;

/**
 * Inserts many rows with statements whose text is made once: building it anew for every batch costs several times as
 * much as the database's own work.
 */
export class BulkInsert<Row> {
  readonly #texts = new Map<string, string>();

  /**
   * @param values of a row, by the order of the columns
   * @param suffix what is done about conflicts, and what is given back
   */
  constructor(
    private readonly table: string,
    private readonly columns: readonly string[],
    private readonly values: (row: Row) => readonly unknown[],
    private readonly suffix: string,
  ) {}

  /** @returns what the statements give back */
  async run<Tables, Returned>(db: Kysely<Tables>, rows: readonly Row[]): Promise<Returned[]> {
    const numbered = db.getExecutor().adapter instanceof PostgresAdapter;
    const returned: Returned[] = [];
    for (let at = 0; at < rows.length; at += ROWS) {
      const some = rows.slice(at, at + ROWS);
      const parameters: unknown[] = [];
      for (const row of some) for (const value of this.values(row)) parameters.push(value);
      const sql = this.#text(some.length, numbered);
      // Not by the library's own maker of such objects: it freezes the parameters, which takes longer than inserting them.
      const query: CompiledQuery<Returned> = {
        sql,
        parameters,
        query: RawNode.createWithSql(sql),
        queryId: createQueryId(),
      };
      const { rows: given } = await db.executeQuery(query);
      for (const row of given) returned.push(row);
    }
    return returned;
  }

  #text(rows: number, numbered: boolean): string {
    const key = `${rows} ${numbered}`;
    const known = this.#texts.get(key);
    if (known !== undefined) return known;
    let number = 0;
    const row = () => `(${this.columns.map(() => (numbered ? `$${++number}` : '?')).join(', ')})`;
    const text = `INSERT INTO ${this.table} (${this.columns.join(', ')}) VALUES ${Array.from({ length: rows }, row).join(', ')} ${this.suffix}`;
    this.#texts.set(key, text);
    return text;
  }
}
