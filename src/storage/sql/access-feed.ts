import type { Kysely, Selectable } from 'kysely';
import { currentRevision } from './control-database.ts';
import type { ControlTables } from './control-tables.ts';

export type TenantRow = Selectable<ControlTables['tenants']>;
export type KeyIndexRow = Selectable<ControlTables['key_index']>;
export type MemberIndexRow = Selectable<ControlTables['member_index']>;

/** Changed rows; deleted ones are marked. */
export interface AccessChanges {
  /** Of the control database when they were read. */
  readonly revision: number;
  readonly tenants: readonly TenantRow[];
  readonly keys: readonly KeyIndexRow[];
  readonly members: readonly MemberIndexRow[];
}

/** Reads changes of tenants, keys and members, which every gateway holds in memory. Fails with the database's error. */
export interface AccessSource {
  /** @returns a number that grows with every change; one indexed read */
  revision(): Promise<number>;
  /** @param revision the last one that was read; 0 reads all rows that are not deleted */
  since(revision: number): Promise<AccessChanges>;
}

/** Reads from the control database. */
export class AccessFeed implements AccessSource {
  constructor(private readonly db: Kysely<ControlTables>) {}

  revision(): Promise<number> {
    return currentRevision(this.db);
  }

  async since(after: number): Promise<AccessChanges> {
    // Read first: a change that is written meanwhile is read again next time, and never missed.
    const revision = await this.revision();
    const { db } = this;
    const first = after === 0;
    const tenants = await db.selectFrom('tenants').selectAll().where('revision', '>', after).execute();
    const keys = await db
      .selectFrom('key_index')
      .selectAll()
      .where('revision', '>', after)
      .$if(first, (query) => query.where('deleted', '=', 0))
      .execute();
    const members = await db
      .selectFrom('member_index')
      .selectAll()
      .where('revision', '>', after)
      .$if(first, (query) => query.where('deleted', '=', 0))
      .execute();
    return { revision, tenants, keys, members };
  }
}
