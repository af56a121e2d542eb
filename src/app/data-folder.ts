import { resolve } from 'node:path';
import type { Config } from '../config/schema.ts';
import { type FolderLock, folderHolder, isFolderLocked, lockFolder } from '../platform/folder-lock.ts';
import { codeOf, diskFault } from '../storage/disk-errors.ts';
import { dataFolder, sqliteFolders } from './database-servers.ts';

const PERMISSION_REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOTDIR: 'a part of its path is a file',
  EEXIST: 'it is a file',
};

/** Another gateway uses the data folder, or it cannot be written. Its message is complete without a stack. */
export class DataFolderError extends Error {
  override readonly name = 'DataFolderError';
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
 * @throws DataFolderError when another gateway uses one of them, or one cannot be written
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
      locks.push(await lockOf(folder));
    }
    describe();
  } catch (error) {
    release();
    throw error;
  }
  return { announce: describe, release };
}

async function lockOf(folder: string): Promise<FolderLock> {
  let lock: FolderLock | undefined;
  try {
    lock = await lockFolder(folder);
  } catch (error) {
    const reason = PERMISSION_REASONS[codeOf(error) ?? ''] ?? diskFault(error);
    if (reason === undefined) throw error;
    const message = `The data folder ${folder} cannot be written: ${reason}. Give it to the user of this process (${process.getuid?.() ?? 'see the service'}), or set WEIR_DATA_DIR to a folder that it can write. Nothing was changed.`;
    throw new DataFolderError(message, { cause: error });
  }
  if (!lock) throw new DataFolderError(inUse(folder));
  return lock;
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
