/** Statements on one PostgreSQL database. */
export interface PostgresStatements {
  /** @param sql with the parameters `$1`, `$2`, ... */
  query(sql: string, params: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
  close(): Promise<void>;
}

/** Few: no request waits for one. */
const CONNECTIONS = 4;
const TIMEOUT_MS = 5_000;

/**
 * Connects when it is first used.
 * @param onIdleError called when an idle connection breaks; the next statement opens another
 */
export async function postgresStatements(
  url: string,
  onIdleError: (error: Error) => void,
): Promise<PostgresStatements> {
  const { default: driver } = await import('pg');
  const pool = new driver.Pool({
    connectionString: url,
    max: CONNECTIONS,
    connectionTimeoutMillis: TIMEOUT_MS,
    statement_timeout: TIMEOUT_MS,
    application_name: 'weir',
  });
  pool.on('error', onIdleError);
  return {
    query: async (sql, params) => (await pool.query(sql, [...params])).rows,
    close: () => pool.end(),
  };
}
