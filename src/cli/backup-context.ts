import { DataFolderError } from '../app/data-folder.ts';
import { databaseServers } from '../app/database-servers.ts';
import type { Config } from '../config/schema.ts';
import { ObjectStorageError } from '../platform/object-storage/object-storage.ts';
import { BackupError } from '../storage/backup/manifest.ts';
import type { DatabaseServer } from '../storage/sql/database-server.ts';
import type { LocationFlags } from './backup-location.ts';
import type { RetentionFlags } from './backup-retention.ts';
import { CommandError, type Output, type StoreCommand } from './output.ts';

/** A command on the databases, with the file of the configuration. */
export interface BackupContext extends StoreCommand {
  /** Null without one. */
  readonly configFile: string | null;
  readonly version: string;
}

export interface BackupFlags extends LocationFlags, RetentionFlags {
  readonly force?: boolean;
  readonly json?: boolean;
  readonly incremental?: boolean;
  readonly full?: boolean;
  /** A duration. */
  readonly every?: string;
  readonly include: readonly string[];
  /** False for `--no-files`. */
  readonly files: boolean;
}

export function serversOf(config: Config, output: Output): Map<string, DatabaseServer> {
  return databaseServers(config, (error) =>
    output.err(`The database server closed an idle connection: ${String(error)}`),
  );
}

export async function withCommandErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (
      error instanceof BackupError ||
      error instanceof DataFolderError ||
      error instanceof ObjectStorageError
    ) {
      throw new CommandError(error.message, { cause: error });
    }
    throw error;
  }
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}
