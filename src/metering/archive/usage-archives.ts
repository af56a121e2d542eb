import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../core/clock.ts';
import type { ObjectStorage } from '../../platform/object-storage/object-storage.ts';
import type { TenantDatabases } from '../../storage/sql/tenant-databases.ts';
import {
  type ArchivePlan,
  deleteArchive,
  dropRestored,
  finishPlan,
  insertPlan,
  linesOf,
  listArchives,
  planArchive,
  restoreLines,
  takePlan,
  type UsageArchive,
} from '../../storage/sql/usage-archive-store.ts';
import {
  type ArchivedEvent,
  ArchiveError,
  deleteArchiveFile,
  readArchive,
  writeArchive,
} from './archive-file.ts';

/** Events of one file, unless one batch has more. */
const MAX_EVENTS = 20_000;
/** Files of one visit; the rest waits for the next one. */
const MAX_FILES = 20;
/** How long a process has for a file, before another one continues it. */
const LEASE_MS = 10 * 60_000;

export interface UsageArchivesOptions {
  readonly databases: TenantDatabases;
  readonly storage: () => ObjectStorage | Promise<ObjectStorage>;
  readonly clock: Pick<Clock, 'wallTime'>;
  /** @returns a part of an object's key */
  readonly newId: () => string;
  /** Months whose end is older are archived. Milliseconds. */
  readonly afterMs: number;
  /** Archives whose last event is older are deleted; null keeps them for good. Milliseconds. */
  readonly keepMs: number | null;
}

export interface ArchiveRun {
  readonly files: number;
  readonly events: number;
  /** Archives that were deleted because of their age. */
  readonly deleted: number;
}

/**
 * Moves raw usage events of whole months (UTC) into compressed files, exactly once: a plan in the tenant's database names the
 * batches and the file before anything is written, and the events leave the database in the transaction that marks the file as
 * stored. A process that is killed anywhere in between leaves its plan for the next one. Sums stay in the database.
 */
export class UsageArchives {
  constructor(private readonly options: UsageArchivesOptions) {}

  /**
   * Archives what is old enough, ends restores whose time is over, and deletes archives that are too old.
   * @throws ObjectStorageError, ArchiveError or the database's error; nothing is lost, and the next run continues
   */
  async run(tenant: string): Promise<ArchiveRun> {
    const { databases, clock, keepMs, afterMs } = this.options;
    const now = clock.wallTime();
    await databases.use({ tenant }, (db) => dropRestored(db, now));
    let files = 0;
    let events = 0;
    for (; files < MAX_FILES; files += 1) {
      const archive = await this.#next(tenant, now - afterMs);
      if (!archive) break;
      await this.#write(tenant, archive);
      events += archive.events;
      await nextTurn();
    }
    let deleted = 0;
    if (keepMs !== null) {
      const storage = await this.options.storage();
      for (const archive of await databases.use({ tenant }, (db) => listArchives(db))) {
        if (archive.lastAt >= now - keepMs) break;
        await deleteArchiveFile(storage, tenant, archive);
        await databases.use({ tenant }, (db) => deleteArchive(db, archive.id));
        deleted += 1;
      }
    }
    return { files, events, deleted };
  }

  /** @returns the next file that `run` would write; undefined when there is none */
  preview(tenant: string): Promise<ArchivePlan | undefined> {
    const { databases, clock, afterMs } = this.options;
    return databases.use({ tenant }, (db) =>
      planArchive(db, clock.wallTime() - afterMs, Number.MAX_SAFE_INTEGER),
    );
  }

  /** @returns the archives of a time range, in order */
  list(tenant: string, range?: { readonly from?: number; readonly to?: number }): Promise<UsageArchive[]> {
    return this.options.databases.use({ tenant }, (db) => listArchives(db, range));
  }

  /**
   * Reads the archived events of a time range, file by file, each event once. Unix milliseconds: from inclusive, to exclusive.
   * @throws ArchiveError for a file that is missing, incomplete or altered
   */
  async *read(tenant: string, from: number, to: number): AsyncGenerator<ArchivedEvent> {
    const storage = await this.options.storage();
    for (const archive of await this.list(tenant, { from, to })) {
      for (const archived of await readArchive(storage, tenant, archive)) {
        const at = archived.event?.at ?? archive.firstAt;
        if (at >= from && at < to) yield archived;
      }
    }
  }

  /**
   * Puts the events of an archive back into the database, for searches, until a time. The file stays.
   * @param until Unix milliseconds
   * @returns the number of events
   * @throws ArchiveError when there is no such archive, or its file is missing or altered
   */
  async restore(tenant: string, id: string, until: number): Promise<number> {
    const { databases } = this.options;
    const archive = (await this.list(tenant)).find((one) => one.id === id);
    if (!archive) throw new ArchiveError(`The tenant ${tenant} has no archive ${JSON.stringify(id)}.`);
    const lines = new Map<string, { at: number; line: string }[]>();
    for (const { batch, line, event } of await readArchive(await this.options.storage(), tenant, archive)) {
      const own = lines.get(batch) ?? [];
      lines.set(batch, own);
      own.push({ at: event?.at ?? archive.firstAt, line });
    }
    return databases.use({ tenant }, (db) => restoreLines(db, archive, lines, until));
  }

  /** Deletes all files of a tenant that is about to be deleted. */
  async remove(tenant: string): Promise<void> {
    const storage = await this.options.storage();
    for await (const { key } of storage.list(`${tenant}/`)) await storage.delete(key);
  }

  /** @returns a plan that a process has left, or else a new one; undefined when nothing is left or another process is at it */
  #next(tenant: string, before: number): Promise<UsageArchive | undefined> {
    const { databases, clock, newId } = this.options;
    return databases.use({ tenant }, async (db) => {
      const now = clock.wallTime();
      const lease = { now, leaseUntil: now + LEASE_MS };
      const left = await takePlan(db, lease);
      if (left) return left;
      const plan = await planArchive(db, before, MAX_EVENTS);
      const id = newId();
      if (!plan || !(await insertPlan(db, id, plan, lease))) return undefined;
      return {
        ...plan,
        ...{ id, state: 'writing', bytes: null, sha256: null, restoredUntil: null, createdAt: now },
      };
    });
  }

  async #write(tenant: string, archive: UsageArchive): Promise<void> {
    const { databases } = this.options;
    const storage = await this.options.storage();
    const written = await writeArchive(storage, tenant, archive, async (batch) => {
      await nextTurn();
      return databases.use({ tenant }, (db) => linesOf(db, batch));
    });
    await databases.use({ tenant }, (db) => finishPlan(db, archive, written));
  }
}
