import type { BatchResultRow } from '../storage/sql/batch-tables.ts';

/** Rows of one statement. */
const MAX_ROWS = 50;

/**
 * Stores results as they come: those that arrive while others are being stored share the next transaction. A process that is
 * killed loses only those, and their lines run again.
 */
export class ResultWriter {
  #waiting: BatchResultRow[] = [];
  #writing: Promise<void> | undefined;
  #failure: unknown;
  /** The batch takes no more results. */
  isClosed = false;

  /** @param store returns false when the batch takes no more */
  constructor(private readonly store: (rows: readonly BatchResultRow[]) => Promise<boolean>) {}

  /** Stores a result in the background. */
  add(row: BatchResultRow): void {
    this.#waiting.push(row);
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when all is stored. @throws the database's error */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Whether the database has rejected a result: its line runs again with the next attempt. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Never rejects. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0 && !this.isClosed && this.#failure === undefined) {
      const rows = this.#waiting.splice(0, MAX_ROWS);
      try {
        if (!(await this.store(rows))) this.isClosed = true;
      } catch (error) {
        this.#failure = error;
      }
    }
    this.#waiting = [];
  }
}
