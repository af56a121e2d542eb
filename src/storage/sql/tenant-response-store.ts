import type { Kysely, Selectable } from 'kysely';
import { isRecord } from '../../core/json.ts';
import {
  outputItemIds,
  type ResponseStore,
  type StoredOutput,
  type StoredResponse,
} from '../response-store.ts';
import type { TenantScope } from '../tenant-scope.ts';
import type { ControlTables } from './control-tables.ts';
import type { TenantDatabases } from './tenant-databases.ts';
import type { TenantTables } from './tenant-tables.ts';

/** Responses that one call of `moveResponses` moves. */
const MOVED_AT_ONCE = 50;

/** Items of one response that can be found by their ids. */
const MAX_ITEMS = 1_000;

/**
 * Stores responses in the databases of their tenants. Earlier versions stored them in the control database, where they
 * are still found until `moveResponses` has moved them.
 */
export class TenantResponseStore implements ResponseStore {
  constructor(
    private readonly databases: TenantDatabases,
    private readonly control: Kysely<ControlTables>,
  ) {}

  async put(scope: TenantScope, stored: readonly StoredResponse[]): Promise<void> {
    if (stored.length === 0) return;
    await this.databases.use(scope, (db) =>
      db.transaction().execute(async (transaction) => {
        for (const one of stored) {
          const row = {
            id: one.id,
            created_at: one.createdAt,
            expires_at: one.expiresAt,
            input: JSON.stringify(one.input),
            response: JSON.stringify(one.response),
            native: one.native ? 1 : 0,
          };
          await transaction
            .insertInto('responses')
            .values(row)
            .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
            .execute();
          const items = [...new Set(outputItemIds(one.response))].slice(0, MAX_ITEMS);
          if (items.length === 0) continue;
          await transaction
            .insertInto('response_items')
            .values(items.map((id) => ({ id, response: one.id })))
            .onConflict((conflict) =>
              conflict.column('id').doUpdateSet(({ ref }) => ({ response: ref('excluded.response') })),
            )
            .execute();
        }
      }),
    );
  }

  async get(scope: TenantScope, id: string, now: number): Promise<StoredResponse | undefined> {
    const row =
      (await this.databases.use(scope, (db) =>
        db.selectFrom('responses').selectAll().where('id', '=', id).executeTakeFirst(),
      )) ??
      (await this.control
        .selectFrom('responses')
        .selectAll()
        .where('tenant', '=', scope.tenant)
        .where('id', '=', id)
        .executeTakeFirst());
    return row && row.expires_at > now ? responseOf(row) : undefined;
  }

  async outputsOf(scope: TenantScope, itemIds: readonly string[], now: number): Promise<StoredOutput[]> {
    if (itemIds.length === 0) return [];
    const rows = await this.databases.use(scope, (db) =>
      db
        .selectFrom('responses')
        .select(['id', 'response', 'native'])
        .where('expires_at', '>', now)
        .where('id', 'in', (items) =>
          items.selectFrom('response_items').select('response').where('id', 'in', itemIds),
        )
        .execute(),
    );
    return rows.map(({ id, response, native }) => ({
      id,
      response: objectOf(id, response),
      native: native === 1,
    }));
  }

  async delete(scope: TenantScope, id: string): Promise<boolean> {
    const { numDeletedRows } = await this.databases.use(scope, async (db) => {
      await db.deleteFrom('response_items').where('response', '=', id).execute();
      return db.deleteFrom('responses').where('id', '=', id).executeTakeFirst();
    });
    const { numDeletedRows: old } = await this.control
      .deleteFrom('responses')
      .where('tenant', '=', scope.tenant)
      .where('id', '=', id)
      .executeTakeFirst();
    return numDeletedRows + old > 0n;
  }
}

/**
 * Moves some responses from the control database to the databases of their tenants; those of tenants that do not exist are
 * deleted.
 *
 * @returns the number of moved and deleted responses; 0 when none are left
 * @throws the database's error; a response is then in one database or in both, and is found
 */
export async function moveResponses(
  control: Kysely<ControlTables>,
  databases: TenantDatabases,
  exists: (tenant: string) => boolean,
): Promise<number> {
  const rows = await control
    .selectFrom('responses')
    .selectAll()
    .orderBy('tenant')
    .orderBy('id')
    .limit(MOVED_AT_ONCE)
    .execute();
  for (const tenant of new Set(rows.map((row) => row.tenant))) {
    const own = rows.filter((row) => row.tenant === tenant);
    if (exists(tenant)) {
      await databases.use({ tenant }, (db) =>
        db
          .insertInto('responses')
          .values(own.map(({ tenant: _, ...row }) => row))
          // A response that is there is newer.
          .onConflict((conflict) => conflict.column('id').doNothing())
          .execute(),
      );
    }
    const ids = own.map(({ id }) => id);
    await control.deleteFrom('responses').where('tenant', '=', tenant).where('id', 'in', ids).execute();
  }
  return rows.length;
}

/** @throws Error for a row that is damaged */
function responseOf(row: Selectable<TenantTables['responses']>): StoredResponse {
  const { id } = row;
  const input: unknown = JSON.parse(row.input);
  const response = objectOf(id, row.response);
  if (!Array.isArray(input)) throw damaged(id);
  return {
    id,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    input: input.filter(isRecord),
    response,
    native: row.native === 1,
  };
}

function objectOf(id: string, text: string): Readonly<Record<string, unknown>> {
  const response: unknown = JSON.parse(text);
  if (!isRecord(response)) throw damaged(id);
  return response;
}

function damaged(id: string): Error {
  return new Error(`the stored response ${id} is damaged`);
}
