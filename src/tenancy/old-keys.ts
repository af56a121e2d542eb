import type { Kysely } from 'kysely';
import { DEFAULT_TENANT } from '../core/principal.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { AccessList } from './access-list.ts';
import type { SecretDigester } from './key-secrets.ts';
import type { TenantWriter } from './tenant-writer.ts';

export interface KeyImportTarget {
  readonly control: Kysely<ControlTables>;
  readonly access: AccessList;
  readonly writer: TenantWriter;
  readonly digester: SecretDigester;
}

/**
 * Imports the keys of versions before tenants; their secrets stay valid. Keys of a tenant that does not exist become keys
 * of the default tenant. An interrupted import continues at the next start.
 */
export async function importOldKeys({ control, access, writer, digester }: KeyImportTarget): Promise<void> {
  const old = await control.selectFrom('api_keys').selectAll().execute();
  for (const key of old) {
    const tenant = access.tenant(key.tenant) ? key.tenant : DEFAULT_TENANT;
    await writer.write({ tenant }, async (transaction, change) => {
      await transaction
        .insertInto('api_keys')
        .values({
          ...{ id: key.id, kind: key.kind, name: key.name, hint: key.hint },
          digest: digester.ofPlainDigest(key.digest),
          ...{ member: null, scopes: '{}', limits: '[]', expires_at: null, revoked_at: key.revoked_at },
          ...{ previous_digest: null, previous_hint: null, previous_expires_at: null, last_used_at: null },
          ...{ version: 1, created_by: 'weir', created_at: key.created_at, updated_at: key.created_at },
        })
        .onConflict((conflict) => conflict.column('id').doNothing())
        .execute();
      change.touched('key', key.id);
    });
    await control.deleteFrom('api_keys').where('id', '=', key.id).execute();
  }
}
