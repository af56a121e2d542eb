import type { KeyStore, StoredKey } from '../key-store.ts';
import type { ControlDatabase } from './control-database.ts';

export class SqlKeyStore implements KeyStore {
  constructor(
    private readonly db: ControlDatabase,
    readonly version: () => number,
  ) {}

  async list(): Promise<StoredKey[]> {
    const rows = await this.db
      .selectFrom('api_keys')
      .selectAll()
      .orderBy('created_at')
      .orderBy('id')
      .execute();
    return rows.map(({ created_at, revoked_at, ...row }) => ({
      ...row,
      createdAt: created_at,
      revokedAt: revoked_at,
    }));
  }

  async insert({ createdAt, revokedAt, ...key }: StoredKey): Promise<void> {
    await this.db
      .insertInto('api_keys')
      .values({ ...key, created_at: createdAt, revoked_at: revokedAt })
      .execute();
  }

  async revoke(id: string, at: number): Promise<boolean> {
    const result = await this.db
      .updateTable('api_keys')
      .set((eb) => ({ revoked_at: eb.fn.coalesce('revoked_at', eb.val(at)) }))
      .where('id', '=', id)
      .executeTakeFirst();
    return result.numUpdatedRows > 0n;
  }
}
