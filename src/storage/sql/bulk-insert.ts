import { type CompiledQuery, createQueryId, type Kysely, PostgresAdapter, RawNode } from 'kysely';

/** Rows of one statement. Full statements have the same text, so the database prepares them once. */
const ROWS = 100;

/**
 * Inserts many rows with cached statement texts: building the text for every batch takes several times as long as the
 * database's own work.
 */
export class BulkInsert<Row> {
  readonly #texts = new Map<string, string>();

  /**
   * @param values returns a row's values, in the order of the columns
   * @param suffix SQL after the values: conflict handling and RETURNING
   */
  constructor(
    private readonly table: string,
    private readonly columns: readonly string[],
    private readonly values: (row: Row) => readonly unknown[],
    private readonly suffix: string,
  ) {}

  /** @returns the rows of RETURNING, of all statements */
  async run<Tables, Returned>(db: Kysely<Tables>, rows: readonly Row[]): Promise<Returned[]> {
    const numbered = db.getExecutor().adapter instanceof PostgresAdapter;
    const returned: Returned[] = [];
    for (let at = 0; at < rows.length; at += ROWS) {
      const some = rows.slice(at, at + ROWS);
      const parameters: unknown[] = [];
      for (const row of some) for (const value of this.values(row)) parameters.push(value);
      const sql = this.#text(some.length, numbered);
      // Kysely's own factory freezes the parameters, which takes longer than inserting them.
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
