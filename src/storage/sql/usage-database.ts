/** A value that a statement takes. */
export type SqlValue = string | number | null;

export type SqlRow = Readonly<Record<string, SqlValue>>;

/** Runs one statement. Its text is prepared once for each connection. @returns the rows of RETURNING */
export type ExecuteSql = (
  sql: string,
  parameters: readonly SqlValue[],
) => readonly SqlRow[] | Promise<readonly SqlRow[]>;

/** A tenant's database as the usage writer uses it: one connection with prepared statements. */
export interface UsageDatabase {
  /** Numbers of rows that one INSERT takes, the largest first, the last is 1: few texts, so that each stays prepared. */
  readonly rowCounts: readonly number[];
  /** Placeholders are `$1`, `$2` and so on; otherwise each is `?`. */
  readonly isNumbered: boolean;
  /** Runs `work` in a transaction, which is rolled back when it throws. One at a time. */
  transaction(work: (execute: ExecuteSql) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}
