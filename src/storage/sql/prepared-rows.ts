import type { ExecuteSql, SqlRow, SqlValue, UsageDatabase } from './usage-database.ts';

/** A statement for any number of rows, whose few texts are built once and prepared once for each connection. */
export class PreparedRows<Row> {
  readonly #texts = new Map<string, string>();

  /**
   * @param text builds the statement around its list of rows
   * @param types of the columns; PostgreSQL infers them within an INSERT only
   * @param push appends a row's values, in the order of the columns
   */
  constructor(
    private readonly text: (rows: string) => string,
    private readonly columns: number,
    private readonly push: (row: Row, values: SqlValue[]) => void,
    private readonly types?: readonly string[],
  ) {}

  /** @returns the rows that the statements return */
  async run(
    execute: ExecuteSql,
    { rowCounts, isNumbered }: Pick<UsageDatabase, 'rowCounts' | 'isNumbered'>,
    rows: readonly Row[],
  ): Promise<readonly SqlRow[]> {
    const returned: SqlRow[] = [];
    let at = 0;
    for (const count of rowCounts) {
      for (; rows.length - at >= count; at += count) {
        const parameters: SqlValue[] = [];
        for (let index = at; index < at + count; index += 1) {
          const row = rows[index];
          if (row !== undefined) this.push(row, parameters);
        }
        const running = execute(this.#text(count, isNumbered), parameters);
        // SQLite's is no promise: awaiting each would cost more than the statement.
        const some = running instanceof Promise ? await running : running;
        if (some.length > 0) returned.push(...some);
      }
    }
    return returned;
  }

  #text(count: number, isNumbered: boolean): string {
    const key = `${count} ${isNumbered}`;
    let text = this.#texts.get(key);
    if (text === undefined) {
      let number = 0;
      const value = (column: number) => {
        number += 1;
        const placeholder = isNumbered ? `$${number}` : '?';
        const type = this.types?.[column];
        return type === undefined ? placeholder : `CAST(${placeholder} AS ${type})`;
      };
      const row = () => `(${Array.from({ length: this.columns }, (_, column) => value(column)).join(', ')})`;
      text = this.text(Array.from({ length: count }, row).join(', '));
      this.#texts.set(key, text);
    }
    return text;
  }
}
