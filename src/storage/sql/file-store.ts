import type { Kysely } from 'kysely';
import type { FileRow } from './batch-tables.ts';
import type { ControlTables } from './control-tables.ts';

/** What the files of a tenant use of its quota. */
export interface FileUse {
  readonly count: number;
  readonly bytes: number;
}

/** @returns the number and size of the files that a tenant has uploaded */
export async function fileUse(db: Kysely<ControlTables>, tenant: string): Promise<FileUse> {
  const row = await db
    .selectFrom('files')
    .select(({ fn }) => [fn.countAll<number | string>().as('count'), fn.sum('bytes').as('bytes')])
    .where('tenant', '=', tenant)
    .where('own', '=', 0)
    .executeTakeFirst();
  return { count: Number(row?.count ?? 0), bytes: Number(row?.bytes ?? 0) };
}

/** @returns undefined where the tenant has no such file */
export function fileById(
  db: Kysely<ControlTables>,
  tenant: string,
  id: string,
): Promise<FileRow | undefined> {
  return db
    .selectFrom('files')
    .selectAll()
    .where('id', '=', id)
    .where('tenant', '=', tenant)
    .executeTakeFirst();
}

/** A page of a list by time of creation. */
export interface CreatedPage {
  readonly tenant: string;
  readonly limit: number;
  readonly order: 'asc' | 'desc';
  /** The last one of the page before. */
  readonly after?: { readonly createdAt: number; readonly id: string } | undefined;
}

/** @returns files of a tenant */
export function listFiles(
  db: Kysely<ControlTables>,
  page: CreatedPage & { readonly purpose?: string | undefined },
  now: number,
): Promise<FileRow[]> {
  const { tenant, limit, order, after, purpose } = page;
  const beyond = order === 'asc' ? '>' : '<';
  return db
    .selectFrom('files')
    .selectAll()
    .where('tenant', '=', tenant)
    .where(({ eb, or }) => or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
    .where('purpose', '!=', 'message_batch')
    .$if(purpose !== undefined, (query) => query.where('purpose', '=', purpose ?? ''))
    .$if(after !== undefined, (query) =>
      query.where(({ eb, or, and }) =>
        or([
          eb('created_at', beyond, after?.createdAt ?? 0),
          and([eb('created_at', '=', after?.createdAt ?? 0), eb('id', beyond, after?.id ?? '')]),
        ]),
      ),
    )
    .orderBy('created_at', order)
    .orderBy('id', order)
    .limit(limit)
    .execute();
}

/** Statuses of batches that have ended. */
export const ENDED_STATUSES = ['completed', 'failed', 'cancelled', 'expired'] as const;

/** @returns whether a batch that has not ended reads a file */
export async function isFileInUse(db: Kysely<ControlTables>, id: string): Promise<boolean> {
  const row = await db
    .selectFrom('batches')
    .select('id')
    .where('input_file', '=', id)
    .where('status', 'not in', ENDED_STATUSES)
    .executeTakeFirst();
  return row !== undefined;
}

/** How long a batch may take to be stored after its input. */
const BATCH_DELAY_MS = 3_600_000;

/**
 * @returns files that have expired and that no batch reads, inputs of message batches whose batch is gone, and files of
 *   tenants that are gone
 */
export function unwantedFiles(db: Kysely<ControlTables>, now: number, limit: number): Promise<FileRow[]> {
  return db
    .selectFrom('files')
    .selectAll()
    .where(({ eb, or, and, not, exists, selectFrom }) =>
      or([
        and([
          eb('expires_at', '<', now),
          not(
            exists(
              selectFrom('batches')
                .select('batches.id')
                .whereRef('batches.input_file', '=', 'files.id')
                .where('batches.status', 'not in', ENDED_STATUSES),
            ),
          ),
        ]),
        and([
          eb('purpose', '=', 'message_batch'),
          // Its batch is stored after it.
          eb('created_at', '<', now - BATCH_DELAY_MS),
          not(
            exists(
              selectFrom('batches').select('batches.id').whereRef('batches.input_file', '=', 'files.id'),
            ),
          ),
        ]),
        eb(
          'tenant',
          'not in',
          selectFrom('tenants').select('tenants.id').where('tenants.deleted_at', 'is', null),
        ),
      ]),
    )
    .limit(limit)
    .execute();
}
