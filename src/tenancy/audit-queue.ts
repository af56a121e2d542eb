import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { writeAuditBatch } from '../storage/sql/audit-chain.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { type TenantDatabases, UnknownTenantError } from '../storage/sql/tenant-databases.ts';
import type { AuditEntry } from '../storage/sql/tenant-tables.ts';
import { auditEntry, type ChangeContext, type Sources } from './change-context.ts';

/** Why entries were lost: too many waited, or the process ended or their tenant was deleted before they were written. */
export type AuditLoss = 'queue_full' | 'write_failed';

export interface AuditQueueOptions {
  readonly control: Kysely<ControlTables>;
  readonly databases: Pick<TenantDatabases, 'use'>;
  readonly sources: Sources;
  readonly onLost: (count: number, reason: AuditLoss) => void;
  /** Entries that wait at most; 20,000 when absent. */
  readonly maxWaiting?: number;
}

/** Makes an entry when it is written, so that it includes what is known only then. */
export type LateEntry = () => AuditEntry;

/** The trail of the platform, among those of tenants. */
const PLATFORM = '';
/** Entries of one transaction: with SQLite, it blocks the event loop for a millisecond. */
const BATCH = 100;
const MAX_WAITING = 20_000;

/**
 * Appends entries to audit trails in batches, for what has no transaction of its own: inference, operations on memory, and
 * reads. Nothing waits for it. Entries of a trail keep their order; while its database is away, they wait.
 */
export class AuditQueue {
  readonly #waiting = new Map<string, LateEntry[]>();
  readonly #maxWaiting: number;
  #count = 0;
  #flushing: Promise<void> | undefined;
  #lost = 0;

  constructor(private readonly options: AuditQueueOptions) {
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING;
  }

  /** Entries that are not written yet. */
  get waiting(): number {
    return this.#count;
  }

  /** Entries that were lost since the start. */
  get lost(): number {
    return this.#lost;
  }

  /** @param tenant undefined for the trail of the platform */
  add(tenant: string | undefined, entry: LateEntry): void {
    if (this.#count >= this.#maxWaiting) {
      this.#lose(1, 'queue_full');
      return;
    }
    this.#count += 1;
    const trail = tenant ?? PLATFORM;
    const entries = this.#waiting.get(trail);
    if (entries) entries.push(entry);
    else this.#waiting.set(trail, [entry]);
  }

  /**
   * Records an action that has happened, or that follows at once. Resolves when the entry is written, or when its database is
   * away: the action does not depend on it, and the entry waits.
   * @param tenant undefined for the trail of the platform
   * @param details never contain a secret
   */
  async record(
    tenant: string | undefined,
    by: ChangeContext,
    action: string,
    subject: string,
    details: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    const entry = auditEntry(this.options.sources, by, action, subject, details);
    this.add(tenant, () => entry);
    // The job reports its failures.
    await this.flush().catch(() => undefined);
  }

  /**
   * Writes what waits; to be called every second.
   * @throws the first error, after all trails were visited
   */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  /** Writes what waits, before the databases close. What cannot be written is lost. */
  async close(): Promise<void> {
    await this.#flushing?.catch(() => undefined);
    // The loss is what counts: the database's failure is reported already.
    await this.flush().catch(() => undefined);
    if (this.#count > 0) this.#lose(this.#count, 'write_failed');
    this.#waiting.clear();
    this.#count = 0;
  }

  async #flush(): Promise<void> {
    const failures: unknown[] = [];
    // A trail that gets its first entry meanwhile is visited too.
    for (const [trail, entries] of this.#waiting) {
      await this.#write(trail, entries).catch((error: unknown) => failures.push(error));
      if (entries.length === 0) this.#waiting.delete(trail);
    }
    if (failures.length > 0) throw failures[0];
  }

  async #write(trail: string, waiting: LateEntry[]): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, BATCH);
      try {
        await this.#append(
          trail,
          batch.map((make) => make()),
        );
      } catch (error) {
        if (!(error instanceof UnknownTenantError)) throw error;
        this.#lose(batch.length, 'write_failed');
      }
      waiting.splice(0, batch.length);
      this.#count -= batch.length;
      await nextTurn();
    }
  }

  async #append(trail: string, entries: readonly AuditEntry[]): Promise<void> {
    const { control, databases } = this.options;
    if (trail === PLATFORM) {
      await control.transaction().execute((transaction) => writeAuditBatch(transaction, entries));
      return;
    }
    await databases.use({ tenant: trail }, (db) =>
      db.transaction().execute((transaction) => writeAuditBatch(transaction, entries)),
    );
  }

  #lose(count: number, reason: AuditLoss): void {
    this.#lost += count;
    this.options.onLost(count, reason);
  }
}
