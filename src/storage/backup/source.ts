import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Kysely } from 'kysely';
import type { DatabaseSchema } from '../sql/database-schema.ts';
import type { DatabaseServer } from '../sql/database-server.ts';
import type { BackupProgress } from './create-backup.ts';
import {
  type BackupManifest,
  FILES_FOLDER,
  readBackup,
  type SavedDatabase,
  type SavedSecret,
} from './manifest.ts';

/** A database of a backup. */
export interface RestorableDatabase {
  /** Null for the control database. */
  readonly tenant: string | null;
  /** Id in `storage.servers`; empty for the default one. */
  readonly server: string;
  readonly backend: DatabaseServer['backend'];
  readonly migrations: readonly string[];
  /** For messages. */
  readonly file: string;
  readonly bytes: number;
  /** Whether it can be restored on the other backend. */
  readonly isPortable: boolean;
}

/** A backup that was checked. */
export interface RestorableBackup {
  readonly created_at: string;
  /** Version that made the backup. */
  readonly weir: string;
  readonly secret: SavedSecret;
  readonly databases: readonly RestorableDatabase[];
  readonly deleted_tenants: readonly string[];
  readonly journalFiles: number;
  /** Names of the files of the installation. */
  readonly installationFiles: readonly string[];
  /** Of everything. */
  readonly bytes: number;
}

/** Where a database of a backup goes. */
export interface RestoreTarget {
  readonly server: DatabaseServer;
  readonly database: string;
  readonly schema: DatabaseSchema;
}

/** A backup, wherever it is stored. */
export interface BackupSource {
  readonly location: string;
  /**
   * Reads and checks all of it.
   * @throws BackupError that names what is missing or altered
   */
  check(onProgress: (progress: BackupProgress) => void): Promise<RestorableBackup>;
  /** Loads a database that `check` returned. @param edit changes it before it is visible */
  load<Tables>(
    saved: RestorableDatabase,
    target: RestoreTarget,
    edit: (db: Kysely<Tables>) => Promise<void>,
  ): Promise<void>;
  /** Yields the files of pending usage. */
  journal(): AsyncIterable<StoredFile>;
  /** Yields the files of the installation. */
  files(): AsyncIterable<StoredFile>;
}

export interface StoredFile {
  /** A relative path with slashes. */
  readonly name: string;
  readonly content: Uint8Array;
}

/** A backup that is a folder of files. */
export class FolderSource implements BackupSource {
  #manifest: BackupManifest | undefined;

  constructor(readonly location: string) {}

  async check(onProgress: (progress: BackupProgress) => void): Promise<RestorableBackup> {
    let done = 0;
    let bytes = 0;
    const manifest = await readBackup(this.location, (file, total) => {
      done += 1;
      bytes += file.bytes;
      onProgress({ done, total, bytes });
    });
    this.#manifest = manifest;
    return {
      ...manifest,
      databases: manifest.databases.map((saved) => ({ ...saved, isPortable: false })),
      journalFiles: manifest.journal.length,
      installationFiles: (manifest.files ?? []).map(({ file }) => file.slice(FILES_FOLDER.length + 1)),
      bytes,
    };
  }

  load<Tables>(
    { file }: Pick<SavedDatabase, 'file'>,
    { server, database, schema }: RestoreTarget,
    edit: (db: Kysely<Tables>) => Promise<void>,
  ): Promise<void> {
    return server.load(database, schema, join(this.location, file), edit);
  }

  async *journal(): AsyncGenerator<StoredFile> {
    for (const { file } of this.#manifest?.journal ?? []) {
      yield { name: basename(file), content: readFileSync(join(this.location, file)) };
    }
  }

  async *files(): AsyncGenerator<StoredFile> {
    for (const { file } of this.#manifest?.files ?? []) {
      yield {
        name: file.slice(FILES_FOLDER.length + 1),
        content: readFileSync(join(this.location, file)),
      };
    }
  }
}
