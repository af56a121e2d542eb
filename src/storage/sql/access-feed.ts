import type { Kysely, Selectable } from 'kysely';
import { currentRevision } from './control-database.ts';
import type { ControlTables } from './control-tables.ts';

export type TenantRow = Selectable<ControlTables['tenants']>;
export type KeyIndexRow = Selectable<ControlTables['key_index']>;
export type MemberIndexRow = Selectable<ControlTables['member_index']>;

/** Rows that have changed, with those that are gone marked so. */
export interface AccessChanges {
  readonly revision: number;
  readonly tenants: readonly TenantRow[];
  readonly keys: readonly KeyIndexRow[];
  readonly members: readonly MemberIndexRow[];
}

/** Tells what has changed of tenants, keys and members, so that they can be held in memory. */
export interface AccessSource {
  /** Grows with every change; cheap enough to ask several times a second. */
  revision(): Promise<number>;
  /** All changes after a revision; 0 for everything that there is. */
  since(revision: number): Promise<AccessChanges>;
}

export class AccessFeed implements AccessSource {
  constructor(private readonly db: Kysely<ControlTables>) {}

  revision(): Promise<number> {
    return currentRevision(this.db);
  }

  async since(after: number): Promise<AccessChanges> {
    // Asked first: what is written meanwhile comes with the next look, perhaps for the second time.
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
