import { codeOf, diskFault } from '../disk-errors.ts';
import { setupError } from './postgres-setup-error.ts';

/** A database is unreachable. The message contains no credential. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError';
}

/** A database that has to exist does not, or is empty. */
export class DatabaseMissingError extends Error {
  override readonly name = 'DatabaseMissingError';
}

/** A migration failed, and was rolled back. The message is complete without a stack. */
export class MigrationFailedError extends Error {
  override readonly name = 'MigrationFailedError';

  /** @param database such as `the tenant acme`; the control database by default */
  constructor(
    readonly migration: string,
    cause: unknown,
    database = 'the control database',
  ) {
    super(
      `The migration "${migration}" of ${database} failed: ${reasonOf(cause).replace(/\.$/, '')}. It was rolled back, so the previous version of Weir still runs with this database. If tables were changed by hand, restore a backup; otherwise report this message.`,
      { cause },
    );
  }

  /** @returns the same for another database */
  of(database: string): MigrationFailedError {
    return new MigrationFailedError(this.migration, this.cause, database);
  }
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

/** @returns true when the database cannot serve now, false when it failed at the query itself */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailableError || diskFault(error) !== undefined) return true;
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  if (code?.startsWith('SQLITE_BUSY')) return true;
  if (code !== undefined) return NETWORK_CODES.has(code) || UNAVAILABLE_CLASSES.has(code.slice(0, 2));
  return /^(connection terminated|timeout expired|timeout exceeded when trying to connect|client has encountered a connection error|client was closed|the database connection is not open)/i.test(
    error.message,
  );
}

/** @returns true when a database server does not respond, which says nothing of files */
export function isServerUnreachable(error: unknown): boolean {
  const cause = error instanceof DatabaseUnavailableError ? error.cause : error;
  return isUnavailable(error) && !codeOf(cause)?.startsWith('SQLITE_') && diskFault(cause) === undefined;
}

/**
 * @returns a DatabaseUnavailableError when the cause is that the database is unreachable, a DatabaseSetupError when its
 *   operator has to remove the cause; otherwise the cause itself
 */
export function unavailable(cause: unknown): unknown {
  if (cause instanceof DatabaseUnavailableError) return cause;
  if (!isUnavailable(cause)) return setupError(cause);
  const fault = diskFault(cause);
  if (fault !== undefined) {
    return new DatabaseUnavailableError(`The database cannot be written: ${fault}.`, { cause });
  }
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

/** An error about several addresses of one host has a code and no message. */
function reasonOf(cause: unknown): string {
  if (cause instanceof Error && cause.message !== '') return cause.message;
  return codeOf(cause) ?? 'no reason given';
}
