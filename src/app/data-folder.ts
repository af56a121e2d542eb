import { resolve } from 'node:path';
import type { Config } from '../config/schema.ts';
import { type FolderLock, folderHolder, isFolderLocked, lockFolder } from '../platform/folder-lock.ts';
import { dataFolder, sqliteFolders } from './database-servers.ts';

/** Another gateway uses the data folder. Its message is complete without a stack. */
export class DataFolderInUseError extends Error {
  override readonly name = 'DataFolderInUseError';
}

/** The data folders of this process, until it releases them. */
export interface DataFolderLock {
  /** Tells other processes where this gateway listens. */
  announce(url: string): void;
  release(): void;
}

/**
 * Takes the folders of local data and of SQLite databases. A second gateway on one folder would stop the engines of the
 * first, and neither would see the other's limits and keys in time.
 * @throws DataFolderInUseError when another gateway uses one of them
 */
export async function lockDataFolders(config: Config, startedAt: string): Promise<DataFolderLock> {
  const locks: FolderLock[] = [];
  const release = () => {
    for (const lock of locks.splice(0)) lock.release();
  };
  const describe = (url?: string) => {
    const holder = { pid: process.pid, startedAt, ...(url === undefined ? {} : { url }) };
    for (const lock of locks) lock.describe(holder);
  };
  try {
    for (const folder of foldersOf(config)) {
      const lock = await lockFolder(folder);
      if (!lock) throw new DataFolderInUseError(inUse(folder));
      locks.push(lock);
    }
    describe();
  } catch (error) {
    release();
    throw error;
  }
  return { announce: describe, release };
}

/** The gateway that uses a data folder of the configuration now. Changes nothing. */
export function runningGateway(config: Config): { readonly pid?: number; readonly url?: string } | undefined {
  const folder = foldersOf(config).find(isFolderLocked);
  return folder === undefined ? undefined : (folderHolder(folder) ?? {});
}

function foldersOf(config: Config): readonly string[] {
  const all = [dataFolder(config), ...sqliteFolders(config)].map((folder) => resolve(folder));
  return [...new Set(all)];
}

function inUse(folder: string): string {
  const holder = folderHolder(folder);
  const which =
    holder === undefined
      ? ''
      : ` (process ${holder.pid}${holder.url === undefined ? '' : ` at ${holder.url}`}, since ${holder.startedAt})`;
  return `The data folder ${folder} is in use by another Weir${which}. Stop that one, or set WEIR_DATA_DIR (and a DATABASE_URL with another folder) for this one. Nothing was changed.`;
}
