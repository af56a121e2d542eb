import { type Kysely, sql } from 'kysely';
import type { ControlTables } from './control-tables.ts';
import type { TenantTables } from './tenant-tables.ts';

/** A table with texts that a key of the installation has sealed. */
export interface SealedTable<Tables> {
  readonly table: keyof Tables & string;
  /** The columns of its primary key. */
  readonly key: readonly string[];
  readonly columns: readonly string[];
  /** Of the box that seals them. */
  readonly purpose: string;
}

/** Every sealed column of the control database. */
export const CONTROL_SEALED: readonly SealedTable<ControlTables>[] = [
  { table: 'config_items', key: ['section', 'id'], columns: ['document'], purpose: 'configuration' },
  { table: 'config_changes', key: ['id'], columns: ['before', 'after'], purpose: 'configuration' },
  { table: 'idempotent_answers', key: ['scope', 'key'], columns: ['answer'], purpose: 'answers' },
  { table: 'webhooks', key: ['id'], columns: ['secret', 'previous_secret'], purpose: 'webhooks' },
  { table: 'alert_receivers', key: ['id'], columns: ['sealed'], purpose: 'alert receivers' },
];

/** Every sealed column of a tenant's database. Logged requests are sealed with the keys of `request_log_keys`. */
export const TENANT_SEALED: readonly SealedTable<TenantTables>[] = [
  { table: 'prompt_versions', key: ['prompt', 'number'], columns: ['sealed'], purpose: 'saved prompts' },
  { table: 'request_log_keys', key: ['version'], columns: ['sealed'], purpose: 'request log keys' },
];

/** Rows that are read at once. */
const PAGE = 200;

export interface ResealResult {
  /** Values that have another seal now; with a dry run, those that would have. */
  readonly resealed: number;
  /** Values that no key opens: they were sealed with the secret of another installation. */
  readonly unreadable: number;
}

/**
 * Seals the values of a table again that another key than the given one has sealed. A value that changes meanwhile stays as
 * it is: the gateway that changed it has sealed it with the active key.
 * @param keyId of the active key
 * @param reseal returns undefined for a value that no key opens
 */
export async function resealTable<Tables>(
  db: Kysely<Tables>,
  { table, key, columns }: SealedTable<Tables>,
  keyId: string,
  reseal: (sealed: string) => string | undefined,
  dryRun: boolean,
): Promise<ResealResult> {
  const result = { resealed: 0, unreadable: 0 };
  const keyColumns = sql.join(key.map((column) => sql.ref(column)));
  for (const column of columns) {
    let after: readonly unknown[] | undefined;
    for (;;) {
      const beyond = after === undefined ? sql`true` : sql`(${keyColumns}) > (${sql.join(after)})`;
      const { rows } = await sql<Record<string, unknown>>`
        SELECT ${keyColumns}, ${sql.ref(column)} AS sealed_value FROM ${sql.table(table)}
        WHERE ${sql.ref(column)} IS NOT NULL AND ${sql.ref(column)} <> ''
          AND ${sql.ref(column)} NOT LIKE ${`${keyId}:%`} AND ${beyond}
        ORDER BY ${keyColumns} LIMIT ${PAGE}`.execute(db);
      for (const row of rows) {
        const sealed = String(row.sealed_value);
        const again = reseal(sealed);
        if (again === undefined) result.unreadable += 1;
        else result.resealed += 1;
        if (again === undefined || dryRun) continue;
        const isRow = sql.join(
          key.map((name) => sql`${sql.ref(name)} = ${row[name]}`),
          sql` AND `,
        );
        await sql`UPDATE ${sql.table(table)} SET ${sql.ref(column)} = ${again}
          WHERE ${isRow} AND ${sql.ref(column)} = ${sealed}`.execute(db);
      }
      const last = rows.at(-1);
      if (!last || rows.length < PAGE) break;
      after = key.map((name) => last[name]);
    }
  }
  return result;
}
