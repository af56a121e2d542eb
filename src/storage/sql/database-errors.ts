/** A database is unreachable. The message contains no credential. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError';
}

/** A database that has to exist does not, or is empty. */
export class DatabaseMissingError extends Error {
  override readonly name = 'DatabaseMissingError';
}

/**
 * Error classes of a PostgreSQL server that cannot serve now: connection, resources, operator intervention, system.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const UNAVAILABLE_CLASSES = new Set(['08', '53', '57', '58']);
const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
]);
/** PostgreSQL's code of a database that does not exist. */
const UNKNOWN_DATABASE = '3D000';

/**
 * SQLite's primary codes of a file that cannot be written or read now, with the reason; extended codes begin with them.
 *
 * @see https://www.sqlite.org/rescode.html
 */
const SQLITE_REASONS: Readonly<Record<string, string>> = {
  SQLITE_FULL: 'the disk is full',
  SQLITE_IOERR: 'the disk reports an error',
  SQLITE_READONLY: 'the file system is read-only',
  SQLITE_CANTOPEN: 'a file cannot be opened',
  SQLITE_BUSY: 'another process holds its lock',
};

/** @returns why a SQLite file cannot be written or read now; undefined for any other error */
export function sqliteFault(error: unknown): string | undefined {
  const code = codeOf(error);
  const primary = code === undefined ? undefined : /^SQLITE_[A-Z]+/.exec(code)?.[0];
  return primary === undefined ? undefined : SQLITE_REASONS[primary];
}

/** @returns true when the database cannot serve now, false when it failed at the query itself */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailableError || sqliteFault(error) !== undefined) return true;
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  if (code !== undefined) return NETWORK_CODES.has(code) || UNAVAILABLE_CLASSES.has(code.slice(0, 2));
  return /^(connection terminated|timeout expired|timeout exceeded when trying to connect|client has encountered a connection error|client was closed|the database connection is not open)/i.test(
    error.message,
  );
}

/** @returns a DatabaseUnavailableError when the cause is that the database is unreachable; otherwise the cause itself */
export function unavailable(cause: unknown): unknown {
  if (!isUnavailable(cause) || cause instanceof DatabaseUnavailableError) return cause;
  return new DatabaseUnavailableError(
    `Database server unreachable: ${reasonOf(cause)}. Check that it runs, and its URL in "storage".`,
    { cause },
  );
}

/** @returns a DatabaseMissingError when the cause is that the database does not exist; otherwise the cause itself */
export function missing(cause: unknown, name: string): unknown {
  if (codeOf(cause) !== UNKNOWN_DATABASE) return cause;
  return new DatabaseMissingError(`the database ${name} does not exist on its server`, { cause });
}

/** @returns the code of a driver's or system's error */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** An error about several addresses of one host has a code and no message. */
function reasonOf(cause: unknown): string {
  if (cause instanceof Error && cause.message !== '') return cause.message;
  return codeOf(cause) ?? 'no reason given';
}
