import { type CompiledQuery, createQueryId, RawNode } from 'kysely';
import { CONTROL_DATABASE, type OpenDatabase } from './database-server.ts';
import { PostgresServer } from './postgres-server.ts';
import type { ExecuteSql, SqlRow, UsageDatabase } from './usage-database.ts';

/** Lock of a tenant's usage: a number that nothing else in the database uses. */
const LOCK_ID = 0x75_73_61_67;

/** Opens a tenant's database, or the control database, on the server of the URL. */
export async function openPostgresUsage(url: string, name: string): Promise<UsageDatabase> {
  // One connection: a database gets one transaction at a time.
  const server = new PostgresServer({ url, connectionsEach: 1 });
  const database = name === CONTROL_DATABASE ? server.openOwn<unknown>(1) : server.open<unknown>(name);
  return new PostgresUsageDatabase(await database);
}

class PostgresUsageDatabase implements UsageDatabase {
  readonly rowCounts = [100, 10, 1];
  readonly isNumbered = true;

  constructor(private readonly database: OpenDatabase<unknown>) {}

  transaction(work: (execute: ExecuteSql) => Promise<void>): Promise<void> {
    return this.database.db.transaction().execute(async (transaction) => {
      const execute: ExecuteSql = async (sql, parameters) => {
        // Kysely's own factory freezes the parameters, which takes longer than inserting them.
        const query: CompiledQuery<SqlRow> = {
          sql,
          parameters,
          query: RawNode.createWithSql(sql),
          queryId: createQueryId(),
        };
        const { rows } = await transaction.executeQuery(query);
        return rows;
      };
      // Two gateways that update the same sums in different orders would deadlock.
      await execute(`SELECT pg_advisory_xact_lock(${LOCK_ID})`, []);
      await work(execute);
    });
  }

  close(): Promise<void> {
    return this.database.close();
  }
}
