import { type Kysely, sql, type Transaction } from 'kysely';
import { change } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { TenantTables } from '../storage/sql/tenant-tables.ts';
import type { TenantScope } from '../storage/tenant-scope.ts';
import type { Sources } from './change-context.ts';
import { keyIndexRows, memberIndexRow } from './index-rows.ts';

export type TenantTransaction = Transaction<TenantTables>;

/** What of a tenant's rows every replica has to know. */
export type Topic = 'key' | 'member';

/**
 * Changes a tenant's database, and tells the control database of what every replica has to know. Both can't be written
 * in one transaction, so the tenant's own notes what is still to be told: a gateway that dies in between has lost
 * nothing, the next one that looks tells it.
 */
export class TenantWriter {
  constructor(
    private readonly control: Kysely<ControlTables>,
    private readonly databases: TenantDatabases,
    private readonly sources: Sources,
    /** Told after a change, so that this process sees it at once. */
    private readonly onPublished: () => Promise<void>,
  ) {}

  /**
   * Makes one change, one after the other for each tenant.
   * @param work calls `changed` for each key and member that it touches
   */
  async write<T>(
    scope: TenantScope,
    work: (transaction: TenantTransaction, changed: (topic: Topic, id: string) => void) => Promise<T>,
  ): Promise<T> {
    let published = 0;
    const result = await this.databases.use(scope, (db) =>
      db.transaction().execute(async (transaction) => {
        await transaction
          .insertInto('write_lock')
          .values({ id: 1, writes: 1 })
          .onConflict((conflict) => conflict.column('id').doUpdateSet({ writes: sql`write_lock.writes + 1` }))
          .execute();
        const topics: { topic: Topic; subject: string }[] = [];
        const value = await work(transaction, (topic, subject) => topics.push({ topic, subject }));
        published = topics.length;
        if (published > 0) {
          const created_at = this.sources.clock.wallTime();
          const rows = topics.map((one) => ({ ...one, id: this.sources.newId('out'), created_at }));
          await transaction.insertInto('outbox').values(rows).execute();
        }
        return value;
      }),
    );
    if (published > 0) await this.publish(scope);
    return result;
  }

  /** Tells the control database what it has not been told yet. @returns how many changes there were */
  async publish(scope: TenantScope): Promise<number> {
    const published = await this.databases.use(scope, async (db) => {
      const waiting = await db.selectFrom('outbox').selectAll().execute();
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
      await change(this.control, async (transaction, revision) => {
        for (const key of keys) {
          const rows = keyIndexRows(scope, key).map((row) => ({ ...row, revision }));
          for (const row of rows) {
            await transaction
              .insertInto('key_index')
              .values(row)
              // Somebody else may have told a later state already.
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
    if (published > 0) await this.onPublished();
    return published;
  }
}

async function rowsOf<Row>(
  ids: readonly string[],
  read: (ids: readonly string[]) => Promise<Row[]>,
): Promise<Row[]> {
  return ids.length === 0 ? [] : read(ids);
}
