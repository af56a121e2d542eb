import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import {
  type DeleteSome,
  deleteExpiredResponses,
  deleteOldAudit,
  deleteOldMinutes,
  deleteOldResponses,
  deleteOldSums,
  deleteOldUsage,
} from '../storage/sql/old-data.ts';
import { deleteLargeLog, deleteOldLog, deleteUnusedKeys } from '../storage/sql/request-log-store.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import { moveResponses } from '../storage/sql/tenant-response-store.ts';
import type { TenantTables } from '../storage/sql/tenant-tables.ts';
import { deleteUsageCopies } from '../storage/sql/usage-copies.ts';
import { logBounds, type RequestLogDocument } from '../tenancy/request-log-document.ts';
import type { Retention } from '../tenancy/retention.ts';
import { TenantRounds } from './tenant-rounds.ts';

export type RetainedKind = keyof Retention | 'request_log';

const ENDED_LOG: RequestLogDocument = { days: 1, max_mb: 1_000_000 };

export interface DataRetentionOptions {
  readonly clock: Pick<Clock, 'wallTime'>;
  readonly events: EventSink;
  readonly control: Kysely<ControlTables>;
  readonly databases: TenantDatabases;
  /** Ids of the tenants that exist. */
  readonly tenants: () => readonly string[];
  readonly retentionOf: (tenant: string) => Retention;
  /** Undefined for a tenant whose prompts and responses are not logged. */
  readonly requestLogOf: (tenant: string) => RequestLogDocument | undefined;
  /** Whether usage events are archived: those that are not yet are kept, however old. */
  readonly archivesUsage?: () => boolean;
  /** Of the platform's own audit trail. */
  readonly installation: () => Retention;
}

/** How long sums by minute are kept, at least. */
const MINUTES_KEPT_MS = 3 * 86_400_000;

/** Statements for one kind of data in one visit; the rest waits for the next visit. */
const MAX_STATEMENTS = 200;

/**
 * Deletes data that is older than its retention: in small transactions, with requests in between, and some tenants at a
 * time. Gateways that share databases may do it at the same time.
 */
export class DataRetention {
  readonly #rounds = new TenantRounds();

  constructor(private readonly options: DataRetentionOptions) {}

  /**
   * Visits some tenants; to be called every minute.
   * @throws the first error, after all of those tenants were visited
   */
  async run(): Promise<void> {
    const { control, installation, tenants } = this.options;
    const failures: unknown[] = [];
    const attempt = (work: Promise<unknown>) => work.catch((error: unknown) => failures.push(error));
    const all = tenants();
    await attempt(this.#moveResponses(new Set(all)));
    await attempt(this.#delete('audit', installation().audit, [deleteOldAudit], (work) => work(control)));
    for (const tenant of this.#rounds.next(all)) await attempt(this.#visit(tenant));
    if (failures.length > 0) throw failures[0];
  }

  /** Moves responses that earlier versions have stored in the control database. */
  async #moveResponses(tenants: ReadonlySet<string>): Promise<void> {
    const { control, databases } = this.options;
    for (let statement = 0; statement < MAX_STATEMENTS; statement += 1) {
      if ((await moveResponses(control, databases, (tenant) => tenants.has(tenant))) === 0) return;
      await nextTurn();
    }
  }

  async #visit(tenant: string): Promise<void> {
    const { databases, retentionOf, clock } = this.options;
    const retention = retentionOf(tenant);
    const use = <T>(work: (db: Kysely<TenantTables>) => Promise<T>) => databases.use({ tenant }, work);
    await this.#deleteBefore('responses', clock.wallTime(), [deleteExpiredResponses], use);
    await this.#delete('responses', retention.responses, [deleteOldResponses], use);
    const deletes = [deleteOldUsage(this.options.archivesUsage?.() === true), deleteOldSums];
    await this.#delete('usage', retention.usage, deletes, use);
    if (retention.usage !== null)
      await deleteUsageCopies(this.options.control, tenant, clock.wallTime() - retention.usage);
    await this.#delete('audit', retention.audit, [deleteOldAudit], use);
    await this.#deleteMinutes(use);
    await this.#deleteLogged(this.options.requestLogOf(tenant), use);
  }

  /** A log that is switched off keeps its requests for no longer than a day. */
  async #deleteLogged(
    settings: RequestLogDocument | undefined,
    use: <T>(work: (db: Kysely<TenantTables>) => Promise<T>) => Promise<T>,
  ): Promise<void> {
    const { keepMs, maxBytes } = logBounds(settings ?? ENDED_LOG);
    const before = this.options.clock.wallTime() - keepMs;
    await this.#deleteBefore('request_log', before, [deleteOldLog], use);
    await this.#deleteBefore('request_log', maxBytes, [deleteLargeLog], use);
    await use(deleteUnusedKeys);
  }

  /** Not reported: hours and days keep what they say. */
  async #deleteMinutes(
    use: <T>(work: (db: Kysely<TenantTables>) => Promise<T>) => Promise<T>,
  ): Promise<void> {
    const before = this.options.clock.wallTime() - MINUTES_KEPT_MS;
    for (let statement = 0; statement < MAX_STATEMENTS; statement += 1) {
      if ((await use((db) => deleteOldMinutes(db, before))) === 0) return;
      await nextTurn();
    }
  }

  async #delete<Tables>(
    kind: RetainedKind,
    keepMs: number | null,
    deletes: readonly DeleteSome<Tables>[],
    use: <T>(work: (db: Kysely<Tables>) => Promise<T>) => Promise<T>,
  ): Promise<void> {
    if (keepMs === null) return;
    await this.#deleteBefore(kind, this.options.clock.wallTime() - keepMs, deletes, use);
  }

  async #deleteBefore<Tables>(
    kind: RetainedKind,
    before: number,
    deletes: readonly DeleteSome<Tables>[],
    use: <T>(work: (db: Kysely<Tables>) => Promise<T>) => Promise<T>,
  ): Promise<void> {
    let count = 0;
    try {
      for (const deleteSome of deletes) {
        for (let statement = 0; statement < MAX_STATEMENTS; statement += 1) {
          const deleted = await use((db) => deleteSome(db, before));
          count += deleted;
          if (deleted === 0) break;
          // With SQLite, a statement blocks the event loop.
          await nextTurn();
        }
      }
    } finally {
      if (count > 0) this.options.events.emit('data.deleted', { kind, count });
    }
  }
}
