import { Database } from 'bun:sqlite';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSqliteFile, tryLock } from './sqlite.ts';

const LOCK_FILE = 'gateway.lock';
const HOLDER_FILE = 'gateway.json';
/** How long a lock may be busy because another process checks it. Milliseconds. */
const BUSY_MS = 500;
const RETRY_MS = 25;

/** The process that holds a folder's lock, as it describes itself. */
export interface FolderHolder {
  readonly pid: number;
  /** ISO 8601. */
  readonly startedAt: string;
  /** Where it listens; absent until it does. */
  readonly url?: string;
}

export interface FolderLock {
  /** Writes the description of the holder for other processes. */
  describe(holder: FolderHolder): void;
  release(): void;
}

/**
 * Takes a folder for this process. The lock is SQLite's lock of the file `gateway.lock`: the system releases it when the
 * process ends, SIGKILL included, so that no later start has to remove anything.
 * @param folder created when missing, readable by its owner only
 * @returns undefined when another process holds the lock
 * @throws Error when the folder cannot be created or is not writable
 */
export async function lockFolder(folder: string): Promise<FolderLock | undefined> {
  const path = join(folder, LOCK_FILE);
  // Opening and closing the file again in the process that holds the lock would release it.
  if (!existsSync(path)) createSqliteFile(path);
  const connection = new Database(path, { create: true, readwrite: true, strict: true });
  connection.exec('PRAGMA busy_timeout = 0');
  const giveUpAt = performance.now() + BUSY_MS;
  while (!tryLock(connection)) {
    if (performance.now() > giveUpAt) {
      connection.close();
      return undefined;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  const holderFile = join(folder, HOLDER_FILE);
  rmSync(holderFile, { force: true });
  const release = () => {
    process.removeListener('exit', release);
    rmSync(holderFile, { force: true });
    connection.close();
  };
  // Also keeps the connection from being collected, which would release the lock.
  process.once('exit', release);
  return {
    describe: (holder) => {
      writeFileSync(`${holderFile}.new`, JSON.stringify(holder), { mode: 0o600 });
      renameSync(`${holderFile}.new`, holderFile);
    },
    release,
  };
}

/**
 * Whether a process holds the lock of a folder. Creates and changes nothing.
 * @throws Error when the lock file is not readable
 */
export function isFolderLocked(folder: string): boolean {
  const path = join(folder, LOCK_FILE);
  if (!existsSync(path)) return false;
  const connection = new Database(path, { readonly: true, strict: true });
  try {
    // Reading needs a shared lock, which the holder's exclusive one excludes.
    connection.query('SELECT count(*) FROM sqlite_schema').get();
    return false;
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY'))
      return true;
    throw error;
  } finally {
    connection.close();
  }
}

/** @returns the description of the process that holds, or last held, the lock of a folder; undefined without one */
export function folderHolder(folder: string): FolderHolder | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, HOLDER_FILE), 'utf8');
  } catch {
    // The holder has not written it yet.
    return undefined;
  }
  try {
    const value: unknown = JSON.parse(text);
    return isHolder(value) ? value : undefined;
  } catch {
    // Truncated by a full disk: the lock does not depend on it.
    return undefined;
  }
}

function isHolder(value: unknown): value is FolderHolder {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    typeof value.pid === 'number' &&
    'startedAt' in value &&
    typeof value.startedAt === 'string' &&
    (!('url' in value) || typeof value.url === 'string')
  );
}
