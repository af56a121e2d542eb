import type { BatchResultRow } from '../storage/sql/batch-tables.ts';

/** Rows of one statement. */
const MAX_ROWS = 50;
/** Characters of the bodies of one statement; a longer body has a statement of its own. */
export const MAX_CHARACTERS = 8 * 1024 * 1024;

/** Rows that one statement stores. */
interface RowGroup {
  readonly rows: BatchResultRow[];
  characters: number;
  readonly written: PromiseWithResolvers<void>;
}

/**
 * Stores results as they come: those that arrive while others are being stored share the next transaction. A process that is
 * killed loses only those, and their lines run again.
 */
export class ResultWriter {
  readonly #waiting: RowGroup[] = [];
  #writing: Promise<void> | undefined;
  #failure: unknown;
  /** The batch takes no more results. */
  isClosed = false;

  /** @param store returns false when the batch takes no more */
  constructor(private readonly store: (rows: readonly BatchResultRow[]) => Promise<boolean>) {}

  /**
   * Stores a result in the background.
   * @returns a promise that resolves when the row is no longer in memory, whether it is stored or not; never rejects
   */
  add(row: BatchResultRow): Promise<void> {
    const characters = row.body.length;
    let group = this.#waiting.at(-1);
    if (!group || group.rows.length >= MAX_ROWS || group.characters + characters > MAX_CHARACTERS) {
      group = { rows: [], characters: 0, written: Promise.withResolvers() };
      this.#waiting.push(group);
    }
    group.rows.push(row);
    group.characters += characters;
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    return group.written.promise;
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
    for (let group = this.#waiting.shift(); group; group = this.#waiting.shift()) {
      try {
        if (!this.isClosed && !this.hasFailed && !(await this.store(group.rows))) this.isClosed = true;
      } catch (error) {
        this.#failure = error;
      }
      group.written.resolve();
    }
  }
}
