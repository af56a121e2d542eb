import type { ExecuteSql, UsageDatabase } from '../../src/storage/sql/usage-database.ts';

export interface FakeUsageDatabaseOptions {
  readonly isDown?: () => boolean;
  /** Called with the lines of each batch, or of the part of it that is new, once they are committed. */
  readonly onStored: (lines: readonly string[]) => void;
}

/** A tenant's database that understands the statements of `storeUsage` as far as batches are concerned. */
export function fakeUsageDatabase({
  isDown = () => false,
  onStored,
}: FakeUsageDatabaseOptions): UsageDatabase {
  const stored = new Map<string, number>();
  return {
    rowCounts: [10, 1],
    isNumbered: false,
    transaction: async (work) => {
      if (isDown()) throw new Error('down');
      const fresh: string[] = [];
      const execute: ExecuteSql = (sql, parameters) => {
        const texts = parameters.map(String);
        if (sql.startsWith('INSERT INTO usage_batches')) {
          const [id = '', , , count = '', lines = ''] = texts;
          if (stored.has(id)) return [];
          stored.set(id, Number(count));
          fresh.push(...lines.split('\n'));
          return [{ id }];
        }
        if (sql.startsWith('UPDATE usage_batches SET count = count ')) {
          return [{ count: stored.get(texts[0] ?? '') ?? 0, last_at: 0 }];
        }
        if (sql.startsWith('UPDATE usage_batches')) {
          const [count = '', , lines = '', id = ''] = texts;
          stored.set(id, Number(count));
          fresh.push(...lines.slice(1).split('\n'));
        }
        return [];
      };
      await work(execute);
      if (fresh.length > 0) onStored(fresh);
    },
    close: async () => undefined,
  };
}
