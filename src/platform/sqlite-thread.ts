import { Worker } from 'node:worker_threads';

export type SqliteValue = string | number | null | Float32Array;
export type SqliteRow = Readonly<Record<string, unknown>>;

export interface SqliteStatementCall {
  readonly sql: string;
  readonly params?: readonly SqliteValue[];
}

export interface SqliteThreadOptions {
  /** Created with its folder where it is missing. */
  readonly path: string;
  /** An extension of SQLite that is loaded. */
  readonly extension: string;
}

interface Waiting {
  resolve(rows: readonly (readonly SqliteRow[])[]): void;
  reject(error: Error): void;
}

/** A SQLite file in a thread of its own: its statements may take long, and the main thread goes on. */
export class SqliteThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #failure: Error | undefined;

  constructor(options: SqliteThreadOptions) {
    this.#worker = new Worker(new URL('./sqlite-thread-worker.ts', import.meta.url), { workerData: options });
    // The thread does not keep the process alive.
    this.#worker.unref();
    this.#worker.on('message', ({ id, rows, error }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(rows);
      else waiting?.reject(new Error(error));
    });
    this.#worker.on('error', (error) =>
      this.#fail(error instanceof Error ? error : new Error(String(error))),
    );
  }

  /**
   * Runs statements in one transaction.
   * @returns the rows of each statement
   * @throws Error of the statement that failed; then none has an effect
   */
  run(calls: readonly SqliteStatementCall[]): Promise<readonly (readonly SqliteRow[])[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#next;
    this.#next += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, calls });
    });
  }

  async close(): Promise<void> {
    this.#fail(new Error('the database is closed'));
    await this.#worker.terminate();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
