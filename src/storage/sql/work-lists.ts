import { type Expression, expressionBuilder, type Kysely, type SqlBool, sql } from 'kysely';
import type { AsyncRequestRow } from './async-tables.ts';
import type { BatchRow, FileRow } from './batch-tables.ts';
import type { ControlTables } from './control-tables.ts';
import type { JobRow } from './job-tables.ts';

/** The part of a tenant's work that a caller sees. */
export interface WorkOwner {
  readonly tenant: string;
  /** Only what this member created; undefined for all. */
  readonly user: string | undefined;
}

/** A page of work of several tenants, the latest first. */
export interface WorkPage {
  /** Undefined for all tenants. */
  readonly owners: readonly WorkOwner[] | undefined;
  /** Only what this member created. */
  readonly user?: string | undefined;
  /** Id of the key that created it. */
  readonly key?: string | undefined;
  /** The only one that is wanted. */
  readonly id?: string | undefined;
  readonly limit: number;
  /** The last one of the page before. */
  readonly after?: { readonly at: number; readonly id: string } | undefined;
}

export interface BatchFilter {
  readonly status?: string | undefined;
  /** One of the models that lines name. */
  readonly model?: string | undefined;
}

export interface AsyncFilter {
  readonly status?: string | undefined;
  readonly model?: string | undefined;
}

/** @returns batches, without their errors and metadata: each may have a thousand errors */
export async function listAllBatches(
  db: Kysely<ControlTables>,
  page: WorkPage & BatchFilter,
): Promise<BatchRow[]> {
  const { status, model } = page;
  const rows = await db
    .selectFrom('batches')
    .select([
      ...(['id', 'tenant', 'key_id', 'caller', 'member', 'form', 'endpoint', 'status'] as const),
      ...(['provider', 'provider_batch', 'input_file', 'output_file', 'error_file', 'models'] as const),
      ...(['total', 'completed', 'failed', 'unfinished', 'input_tokens', 'output_tokens'] as const),
      ...(['cost_pico', 'unpriced', 'output_expires_ms', 'completion_window', 'created_at'] as const),
      ...(['expires_at', 'started_at', 'finalizing_at', 'cancelling_at', 'ended_at', 'version'] as const),
    ])
    .where(matches(page))
    .$if(status !== undefined, (query) => query.where('status', '=', status ?? ''))
    // The models are a JSON list of texts.
    .$if(model !== undefined, (query) =>
      query.where(sql<SqlBool>`replace(models, ${JSON.stringify(model)}, '') <> models`),
    )
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({ ...row, errors: '[]', metadata: 'null' }));
}

/** @param now Unix milliseconds: files that have expired are left out @returns files, without inputs of message batches */
export function listAllFiles(
  db: Kysely<ControlTables>,
  page: WorkPage & { readonly purpose?: string | undefined },
  now: number,
): Promise<FileRow[]> {
  const { purpose } = page;
  return db
    .selectFrom('files')
    .selectAll()
    .where(matches(page))
    .where(({ eb, or }) => or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
    .where('purpose', '!=', 'message_batch')
    .$if(purpose !== undefined, (query) => query.where('purpose', '=', purpose ?? ''))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(page.limit)
    .execute();
}

/** @returns who created the batch whose results a file has; undefined where no batch has it */
export async function creatorOfResults(
  db: Kysely<ControlTables>,
  tenant: string,
  file: string,
): Promise<{ readonly member: string | null } | undefined> {
  return db
    .selectFrom('batches')
    .select('member')
    .where('tenant', '=', tenant)
    .where(({ eb, or }) => or([eb('output_file', '=', file), eb('error_file', '=', file)]))
    .executeTakeFirst();
}

/** @param now Unix milliseconds: requests whose time has passed are left out @returns queued requests */
export function listAllAsync(
  db: Kysely<ControlTables>,
  page: WorkPage & AsyncFilter,
  now: number,
): Promise<AsyncRequestRow[]> {
  const { status, model } = page;
  return db
    .selectFrom('async_requests')
    .selectAll()
    .where(matches(page))
    .where(({ eb, or }) => or([eb('delete_at', 'is', null), eb('delete_at', '>', now)]))
    .$if(status !== undefined, (query) => query.where('status', '=', status ?? ''))
    .$if(model !== undefined, (query) => query.where('model', '=', model ?? ''))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(page.limit)
    .execute();
}

/** @returns jobs that failed for good, the latest first */
export function listFailedJobs(
  db: Kysely<ControlTables>,
  { limit, after }: Pick<WorkPage, 'limit' | 'after'>,
): Promise<JobRow[]> {
  return db
    .selectFrom('jobs')
    .selectAll()
    .where('state', '=', 'failed')
    .$if(after !== undefined, (query) =>
      query.where(({ eb, or, and }) =>
        or([
          eb('finished_at', '<', after?.at ?? 0),
          and([eb('finished_at', '=', after?.at ?? 0), eb('id', '<', after?.id ?? '')]),
        ]),
      ),
    )
    .orderBy('finished_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

/** @returns undefined where no job with this id has failed for good */
export function failedJobById(db: Kysely<ControlTables>, id: string): Promise<JobRow | undefined> {
  return db
    .selectFrom('jobs')
    .selectAll()
    .where('id', '=', id)
    .where('state', '=', 'failed')
    .executeTakeFirst();
}

/** The condition of a page: whose work, and after which one. Batches, files and queued requests have these columns. */
function matches({ owners, user, key, id, after }: WorkPage): Expression<SqlBool> {
  const { eb, or, and } = expressionBuilder<ControlTables, 'files'>();
  const conditions: Expression<SqlBool>[] = [];
  if (owners) {
    // A term for each member and not for each tenant: databases limit the depth of conditions.
    const byUser = Map.groupBy(owners, (owner) => owner.user);
    conditions.push(
      or(
        Array.from(byUser, ([member, some]) => {
          const within = eb(
            'tenant',
            'in',
            some.map(({ tenant }) => tenant),
          );
          return member === undefined ? within : and([within, eb('member', '=', member)]);
        }),
      ),
    );
  }
  if (user !== undefined) conditions.push(eb('member', '=', user));
  if (key !== undefined) conditions.push(eb('key_id', '=', key));
  if (id !== undefined) conditions.push(eb('id', '=', id));
  if (after) {
    conditions.push(
      or([eb('created_at', '<', after.at), and([eb('created_at', '=', after.at), eb('id', '<', after.id)])]),
    );
  }
  return and(conditions);
}
