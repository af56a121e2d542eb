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
};
/** The same for codes of system calls. */
const SYSTEM_REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is exhausted',
  EIO: 'the disk reports an error',
  EROFS: 'the file system is read-only',
};

/** @returns why the local disk cannot be used now; undefined for any other error */
export function diskFault(error: unknown): string | undefined {
  const code = codeOf(error);
  if (code === undefined) return undefined;
  const primary = /^SQLITE_[A-Z]+/.exec(code)?.[0];
  return primary === undefined ? SYSTEM_REASONS[code] : SQLITE_REASONS[primary];
}

/** @returns the code of a driver's or system's error */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
