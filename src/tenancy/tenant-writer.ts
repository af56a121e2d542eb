import { type Kysely, sql, type Transaction } from 'kysely';
import { change } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { type TenantDatabases, UnknownTenantError } from '../storage/sql/tenant-databases.ts';
import type { TenantTables } from '../storage/sql/tenant-tables.ts';
import type { TenantScope } from '../storage/tenant-scope.ts';
import type { Sources } from './change-context.ts';
import { keyIndexRows, memberIndexRow } from './index-rows.ts';
import {
  deliverTenantEvents,
  type EmitTenantEvent,
  PendingEvents,
  type TenantEventSink,
} from './tenant-events.ts';

export type TenantTransaction = Transaction<TenantTables>;

/** Rows that every replica keeps in memory. */
export type Topic = 'key' | 'member';

/** What a change reports beside the rows that it writes. */
export interface TenantChange {
  /** Every replica has to reread this key or member. */
  touched(topic: Topic, id: string): void;
  /** Commits an event with the change. It is published after the commit, also when this process dies before that. */
  readonly emit: EmitTenantEvent;
}

export interface TenantWriterOptions {
  readonly control: Kysely<ControlTables>;
  readonly databases: TenantDatabases;
  readonly sources: Sources;
  /** Called after a change with its tenant, so that this process and the other gateways see it at once. */
  readonly onPublished: (tenant: string) => Promise<void>;
  /** Undefined in commands: events of their changes are left to a running gateway. */
  readonly events: TenantEventSink | undefined;
}

/** Changes that are published in one transaction. */
const OUTBOX_BATCH = 500;

/**
 * Changes a tenant's database, and publishes what the change reports: touched rows to the control database, events to
 * the sink. No transaction spans the databases, so the tenant's own records what is still to be published. When a
 * gateway dies in between, the next one publishes it.
 */
export class TenantWriter {
  /** One delivery at a time for each tenant: two would deliver the same events. */
  readonly #deliveries = new Map<string, Promise<void>>();
  /** Tenants whose last delivery failed. */
  readonly #undelivered = new Set<string>();

  constructor(private readonly options: TenantWriterOptions) {}

  /**
   * Makes one change in a transaction. Changes of one tenant run one after another.
   *
   * @param work calls `touched` for each key and member that it changes
   * @returns what `work` returns, after the change is committed and published
   * @throws what `work` throws, UnknownTenantError, or the database's error; nothing is changed then, unless the failure
   *   occurred after the commit, while publishing: then the next `publish` completes it
   */
  async write<T>(
    scope: TenantScope,
    work: (transaction: TenantTransaction, change: TenantChange) => Promise<T>,
  ): Promise<T> {
    const { databases, sources } = this.options;
    const topics: { topic: Topic; subject: string }[] = [];
    const events = new PendingEvents(sources);
    const result = await databases.use(scope, (db) =>
      db.transaction().execute(async (transaction) => {
        const { writes } = await transaction
          .insertInto('write_lock')
          .values({ id: 1, writes: 1 })
          .onConflict((conflict) => conflict.column('id').doUpdateSet({ writes: sql`write_lock.writes + 1` }))
          .returning('writes')
          .executeTakeFirstOrThrow();
        const value = await work(transaction, {
          touched: (topic, subject) => topics.push({ topic, subject }),
          emit: events.emit,
        });
        if (topics.length > 0) {
          const created_at = sources.clock.wallTime();
          const rows = topics.map((one) => ({ ...one, id: sources.newId('out'), created_at }));
          await transaction.insertInto('outbox').values(rows).execute();
        }
        await events.insert(transaction, writes);
        return value;
      }),
    );
    if (topics.length > 0) await this.#publishRows(scope);
    if (events.size > 0) await this.deliverEvents(scope);
    return result;
  }

  /** Publishes committed changes that are not published yet: touched rows, then events. */
  async publish(scope: TenantScope): Promise<void> {
    await this.#publishRows(scope);
    await this.deliverEvents(scope);
  }

  /** Delivers the committed events of a tenant. Never rejects: what fails is reported to the sink and stays stored. */
  deliverEvents(scope: TenantScope): Promise<void> {
    const { databases, sources, events } = this.options;
    if (!events) return Promise.resolve();
    const { tenant } = scope;
    const deliver = async () => {
      try {
        await databases.use(scope, (db) => deliverTenantEvents(db, scope, events, sources.clock.wallTime()));
        this.#undelivered.delete(tenant);
      } catch (error) {
        // A removed tenant's events went with its database.
        if (error instanceof UnknownTenantError) {
          this.#undelivered.delete(tenant);
          return;
        }
        if (!this.#undelivered.has(tenant)) events.failed(tenant, error);
        this.#undelivered.add(tenant);
      }
    };
    const delivery = (this.#deliveries.get(tenant) ?? Promise.resolve()).then(deliver).finally(() => {
      if (this.#deliveries.get(tenant) === delivery) this.#deliveries.delete(tenant);
    });
    this.#deliveries.set(tenant, delivery);
    return delivery;
  }

  /** Delivers events whose delivery failed before; to be called every second. */
  async retryEvents(): Promise<void> {
    for (const tenant of [...this.#undelivered]) {
      await this.deliverEvents({ tenant });
      // The database of the log is unreachable for all tenants alike.
      if (this.#undelivered.has(tenant)) return;
    }
  }

  /** Resolves when no delivery is in progress. */
  async idle(): Promise<void> {
    await Promise.all(this.#deliveries.values());
  }

  /** Writes touched keys and members to the control database, where every replica finds them. */
  async #publishRows(scope: TenantScope): Promise<void> {
    const { control, databases, onPublished } = this.options;
    const count = await databases.use(scope, async (db) => {
      // In batches, because databases limit the parameters of a statement.
      const waiting = await db.selectFrom('outbox').selectAll().limit(OUTBOX_BATCH).execute();
      if (waiting.length === 0) return 0;
      const subjects = (topic: Topic) => [
        ...new Set(waiting.filter((one) => one.topic === topic).map(({ subject }) => subject)),
      ];
      const keys = await rowsOf(subjects('key'), (ids) =>
        db.selectFrom('api_keys').selectAll().where('id', 'in', ids).execute(),
      );
      const members = await rowsOf(subjects('member'), (ids) =>
        db.selectFrom('members').selectAll().where('id', 'in', ids).execute(),
      );
      await change(control, async (transaction, revision) => {
        for (const key of keys) {
          const rows = keyIndexRows(scope, key).map((row) => ({ ...row, revision }));
          for (const row of rows) {
            await transaction
              .insertInto('key_index')
              .values(row)
              // Another gateway may have published a later version already.
              .onConflict((conflict) =>
                conflict.column('digest').doUpdateSet(row).where('key_index.version', '<=', row.version),
              )
              .execute();
          }
          await transaction
            .updateTable('key_index')
            .set({ deleted: 1, revision })
            .where('tenant', '=', scope.tenant)
            .where('id', '=', key.id)
            .where(
              'digest',
              'not in',
              rows.map(({ digest }) => digest),
            )
            .where('version', '<=', key.version)
            .execute();
        }
        for (const member of members) {
          const row = { ...memberIndexRow(scope, member), revision };
          await transaction
            .insertInto('member_index')
            .values(row)
            .onConflict((conflict) =>
              conflict
                .columns(['tenant', 'member'])
                .doUpdateSet(row)
                .where('member_index.version', '<=', row.version),
            )
            .execute();
        }
      });
      await db
        .deleteFrom('outbox')
        .where(
          'id',
          'in',
          waiting.map(({ id }) => id),
        )
        .execute();
      return waiting.length;
    });
    if (count === OUTBOX_BATCH) return this.#publishRows(scope);
    if (count > 0) await onPublished(scope.tenant);
  }
}

async function rowsOf<Row>(
  ids: readonly string[],
  read: (ids: readonly string[]) => Promise<Row[]>,
): Promise<Row[]> {
  return ids.length === 0 ? [] : read(ids);
}
