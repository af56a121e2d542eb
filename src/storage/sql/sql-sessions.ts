import { CompiledQuery } from 'kysely';
import type { Clock } from '../../core/clock.ts';
import type { RemoteResult, RemoteStatement } from './remote-server.ts';

/** A database, or a transaction on it, whatever its tables are. */
export interface SqlRunner {
  executeQuery(query: CompiledQuery): Promise<Executed>;
  transaction(): { execute<T>(work: (transaction: SqlRunner) => Promise<T>): Promise<T> };
}

interface Executed {
  readonly rows: readonly unknown[];
  readonly numAffectedRows?: bigint | undefined;
  readonly insertId?: bigint | undefined;
}

/** Runs work on a database by its name. */
export type UseDatabase = <T>(database: string, work: (db: SqlRunner) => Promise<T>) => Promise<T>;

export interface SqlSessionOptions {
  readonly use: UseDatabase;
  readonly clock: Clock;
}

interface Transaction {
  readonly db: SqlRunner;
  /** Resolve for a commit, reject for a rollback. */
  readonly ending: PromiseWithResolvers<void>;
  /** Settles when it has ended. */
  readonly ended: Promise<void>;
}

/** The longest transaction of another process: others wait for it. Milliseconds. */
const MAX_TRANSACTION_MS = 10_000;

class RolledBack extends Error {
  override readonly name = 'RolledBack';
}

/**
 * Runs the statements of one other process on databases that this process has open. A transaction that takes longer than 10
 * seconds, or whose process ends, is rolled back.
 */
export class SqlSessions {
  readonly #transactions = new Map<number, Transaction>();
  #ids = 0;
  #isClosed = false;

  constructor(private readonly options: SqlSessionOptions) {}

  /** @throws Error the database's, or one for a transaction that is over */
  async run({ database, transaction, sql, parameters }: RemoteStatement): Promise<RemoteResult> {
    const query = CompiledQuery.raw(sql, [...parameters]);
    if (transaction !== undefined)
      return resultOf(await this.#transaction(transaction).db.executeQuery(query));
    return this.options.use(database, async (db) => resultOf(await db.executeQuery(query)));
  }

  /** Begins a transaction, once earlier ones on this database have ended. @returns its number */
  begin(database: string): Promise<number> {
    this.#ids += 1;
    const id = this.#ids;
    const begun = Promise.withResolvers<number>();
    const ending = Promise.withResolvers<void>();
    const ended = this.options
      .use(database, (db) =>
        db.transaction().execute(async (transaction) => {
          if (this.#isClosed) throw new RolledBack('the process has ended');
          this.#transactions.set(id, { db: transaction, ending, ended });
          begun.resolve(id);
          await this.#within(ending.promise);
        }),
      )
      .finally(() => this.#transactions.delete(id));
    // A transaction that never began; `end` receives the failure of one that did.
    ended.catch(begun.reject);
    return begun.promise;
  }

  /** Commits a transaction or rolls it back. @throws Error when it cannot be committed */
  async end(id: number, commits: boolean): Promise<void> {
    const { ending, ended } = this.#transaction(id);
    if (commits) ending.resolve();
    else ending.reject(new RolledBack('rolled back'));
    await ended.catch((error: unknown) => {
      if (commits || !(error instanceof RolledBack)) throw error;
    });
  }

  /** The other process has ended: rolls back what it left. */
  close(): void {
    this.#isClosed = true;
    for (const { ending } of this.#transactions.values()) {
      ending.reject(new RolledBack('the process has ended'));
    }
  }

  #transaction(id: number): Transaction {
    const found = this.#transactions.get(id);
    if (!found) throw new Error('the transaction has ended');
    return found;
  }

  async #within(ending: Promise<void>): Promise<void> {
    const timer = new AbortController();
    const late = this.options.clock.sleep(MAX_TRANSACTION_MS, timer.signal).then(
      () => {
        throw new RolledBack('the transaction took longer than 10 s');
      },
      () => undefined,
    );
    try {
      await Promise.race([ending, late]);
    } finally {
      timer.abort();
    }
  }
}

function resultOf({ rows, numAffectedRows, insertId }: Executed): RemoteResult {
  return { rows, affected: numAffectedRows, insertId };
}
