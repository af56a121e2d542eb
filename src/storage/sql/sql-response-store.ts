import type { Kysely } from 'kysely';
import { isRecord } from '../../core/json.ts';
import type { ResponseStore, StoredResponse } from '../response-store.ts';
import type { TenantScope } from '../tenant-scope.ts';
import type { ControlTables } from './control-tables.ts';

/** Stores responses in the control database. */
export class SqlResponseStore implements ResponseStore {
  constructor(private readonly db: Kysely<ControlTables>) {}

  async put(
    entries: readonly { readonly scope: TenantScope; readonly stored: StoredResponse }[],
  ): Promise<void> {
    if (entries.length === 0) return;
    const rows = entries.map(({ scope, stored }) => ({
      tenant: scope.tenant,
      id: stored.id,
      created_at: stored.createdAt,
      expires_at: stored.expiresAt,
      input: JSON.stringify(stored.input),
      response: JSON.stringify(stored.response),
      native: stored.native ? 1 : 0,
    }));
    await this.db.transaction().execute(async (transaction) => {
      for (const row of rows) {
        await transaction
          .insertInto('responses')
          .values(row)
          .onConflict((conflict) => conflict.columns(['tenant', 'id']).doUpdateSet(row))
          .execute();
      }
    });
  }

  async get({ tenant }: TenantScope, id: string, now: number): Promise<StoredResponse | undefined> {
    const row = await this.db
      .selectFrom('responses')
      .selectAll()
      .where('tenant', '=', tenant)
      .where('id', '=', id)
      .where('expires_at', '>', now)
      .executeTakeFirst();
    if (!row) return undefined;
    const input: unknown = JSON.parse(row.input);
    const response: unknown = JSON.parse(row.response);
    if (!Array.isArray(input) || !isRecord(response)) throw new Error(`the stored response ${id} is damaged`);
    return {
      id,
      createdAt: row.created_at,
      expiresAt: row.expires_at,
      input: input.filter(isRecord),
      response,
      native: row.native === 1,
    };
  }

  async delete({ tenant }: TenantScope, id: string): Promise<boolean> {
    const { numDeletedRows } = await this.db
      .deleteFrom('responses')
      .where('tenant', '=', tenant)
      .where('id', '=', id)
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }

  async deleteExpired(now: number): Promise<number> {
    const { numDeletedRows } = await this.db
      .deleteFrom('responses')
      .where('expires_at', '<=', now)
      .executeTakeFirst();
    return Number(numDeletedRows);
  }
}
