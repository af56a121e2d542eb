import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { JobRow } from '../../storage/sql/job-tables.ts';
import { failedJobById, listFailedJobs } from '../../storage/sql/work-lists.ts';
import { cursorOf, listOf, page, paging, time, timeCursor } from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const STATES = ['queued', 'running', 'failed'] as const;

const kindOfJobs = z
  .object({
    kind: z.string().describe('Such as `batch.lines`.'),
    ...{ queued: z.int(), running: z.int(), failed: z.int().describe('Those that failed for good.') },
    oldest_due_at: z
      .string()
      .nullable()
      .describe('When the oldest queued job was due; null where none is queued.'),
  })
  .meta({ id: 'JobKind' });

const failedJob = z
  .object({
    id: z.string(),
    kind: z.string(),
    tenant: z.string(),
    payload: z.string().describe('What it works on: names, and no content.'),
    attempts: z.int(),
    error: z.string(),
    created_at: z.string(),
    failed_at: z.string(),
  })
  .meta({ id: 'FailedJob' });

function shown(job: JobRow): z.output<typeof failedJob> {
  const { id, kind, tenant, payload, attempts, error, created_at, finished_at } = job;
  return {
    ...{ id, kind, tenant, payload, attempts, error: error ?? '' },
    ...{ created_at: time(created_at), failed_at: time(finished_at ?? created_at) },
  };
}

/** Routes with the durable queue of jobs, which batches and queued requests are made of. */
export function jobRoutes({ control, queue, auditQueue }: AdminServices): RegisteredRoute[] {
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/jobs',
      permission: 'platform:read',
      summary: 'Count the jobs that wait, run, or have failed for good',
      ...NO_INPUT,
      response: z
        .object({ object: z.literal('list'), data: z.array(kindOfJobs) })
        .meta({ id: 'JobKindList' }),
      handle: async () => {
        const byKind = Map.groupBy(await queue.counts(), ({ kind }) => kind);
        const data = [...byKind]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([kind, counts]) => {
            const [queued, running, failed] = STATES.map((state) =>
              counts.find((one) => one.state === state),
            );
            return {
              ...{ kind, queued: queued?.count ?? 0, running: running?.count ?? 0 },
              ...{ failed: failed?.count ?? 0, oldest_due_at: queued ? time(queued.oldestDueAt) : null },
            };
          });
        return { body: { object: 'list', data } };
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/jobs/failed',
      permission: 'platform:read',
      summary: 'List jobs that failed for good, the latest first',
      description: 'They are kept for 14 days.',
      ...NO_BODY,
      query: z.object(paging),
      response: listOf(failedJob, 'FailedJobList'),
      handle: async ({ query: { limit, after } }) => {
        const found = await listFailedJobs(control, {
          ...{ limit: limit + 1, after: cursorOf(timeCursor, after) },
        });
        return {
          body: page(found, limit, ({ finished_at: at, id }) => ({ at: at ?? 0, id }), shown),
        };
      },
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/jobs/failed/:job/retry',
      permission: 'platform:write',
      summary: 'Run a failed job again',
      description:
        'Its attempts begin again. What it belongs to may have ended since, such as a batch that has failed: then it does nothing.',
      ...NO_INPUT,
      status: 204,
      handle: async ({ params, by }) => {
        const id = params.job ?? '';
        // PostgreSQL rejects texts with NUL.
        const job = id.includes('\0') ? undefined : await failedJobById(control, id);
        if (!job || !(await queue.requeue(id))) {
          throw new GatewayError('not_found', `There is no such failed job: ${id.slice(0, 200)}`);
        }
        const { kind, tenant, error } = job;
        await auditQueue.record(undefined, by, 'job.retry', `job:${id}`, { kind, tenant, error });
        queue.wake(kind);
        return {};
      },
    }),
  ];
}
