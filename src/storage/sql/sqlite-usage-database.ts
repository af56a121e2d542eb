import { openExistingSqlite } from '../../platform/sqlite.ts';
import type { ExecuteSql, UsageDatabase } from './usage-database.ts';

/** Memory for pages of one open file. KiB. */
const CACHE_KIB = 512;

/** @throws DatabaseFileError when the file does not exist or is not a database */
export function openSqliteUsage(path: string): UsageDatabase {
  const { execute, close } = openExistingSqlite(path, CACHE_KIB);
  return new SqliteUsageDatabase(execute, close);
}

class SqliteUsageDatabase implements UsageDatabase {
  readonly rowCounts = [8, 1];
  readonly isNumbered = false;

  constructor(
    private readonly execute: ExecuteSql,
    private readonly closeFile: () => void,
  ) {}

  async transaction(work: (execute: ExecuteSql) => Promise<void>): Promise<void> {
    // Waits for other writers now, and so never in the middle.
    this.execute('BEGIN IMMEDIATE', []);
    try {
      await work(this.execute);
      this.execute('COMMIT', []);
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.closeFile();
  }

  #rollBack(): void {
    try {
      this.execute('ROLLBACK', []);
    } catch {
      // SQLite has already rolled back, as it does when the disk is full. The first error is the one to report.
    }
  }
}
