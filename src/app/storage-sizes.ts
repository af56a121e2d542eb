import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { dataFolder, journalFolder, sqliteFolders } from './database-servers.ts';

/** What local files are for. */
export type StorageArea = 'databases' | 'usage_journal' | 'other';

export interface StorageSizeOptions {
  /** Folders that are measured with all below them. Folders within others count once. */
  readonly folders: readonly string[];
  readonly journalFolder: string;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

const DATABASE = /\.sqlite(?:-wal|-shm)?$/;
/** Measuring takes at most this part of the time: a folder with 10,000 tenants takes a second. */
const PAUSE_FACTOR = 100;

/** Measures the local files of this gateway. */
export class StorageSizes {
  #sizes: ReadonlyMap<StorageArea, number> = new Map();
  #dueAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: StorageSizeOptions) {}

  /** Of the folders that a configuration names. */
  static of(config: Config, clock: Clock): StorageSizes {
    return new StorageSizes({
      folders: [dataFolder(config), ...sqliteFolders(config)],
      journalFolder: journalFolder(config),
      now: () => clock.now(),
    });
  }

  /** Measures, unless it took too long for that lately. Files that vanish meanwhile are left out. */
  async measure(): Promise<void> {
    const { folders, now } = this.options;
    const startedAt = now();
    if (startedAt < this.#dueAt) return;
    this.#dueAt = Number.POSITIVE_INFINITY;
    try {
      const sizes = new Map<StorageArea, number>([
        ['databases', 0],
        ['usage_journal', 0],
        ['other', 0],
      ]);
      const all = [...new Set(folders.map((folder) => resolve(folder)))];
      const outermost = all.filter((folder) => !all.some((other) => folder.startsWith(`${other}/`)));
      for (const folder of outermost) await this.#add(folder, sizes);
      this.#sizes = sizes;
    } finally {
      this.#dueAt = now() + (now() - startedAt) * PAUSE_FACTOR;
    }
  }

  /** Bytes by area, as they were measured last; empty before the first time. */
  get sizes(): ReadonlyMap<StorageArea, number> {
    return this.#sizes;
  }

  async #add(folder: string, sizes: Map<StorageArea, number>): Promise<void> {
    const entries = await readdir(folder, { withFileTypes: true }).catch(ifMissing([]));
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        await this.#add(path, sizes);
        continue;
      }
      if (!entry.isFile()) continue;
      const size = await stat(path).then((found) => found.size, ifMissing(0));
      const area = this.#areaOf(path);
      sizes.set(area, (sizes.get(area) ?? 0) + size);
    }
  }

  #areaOf(path: string): StorageArea {
    if (path.startsWith(`${resolve(this.options.journalFolder)}/`)) return 'usage_journal';
    return DATABASE.test(path) ? 'databases' : 'other';
  }
}

/** Handles the error of a file or folder that does not exist. */
function ifMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return value;
    throw error;
  };
}
