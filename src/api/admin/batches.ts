import { z } from 'zod';
import { BATCH_FORMS, BATCH_STATUSES, type Batch } from '../../batches/batch.ts';
import { dollarsOfPico } from '../../metering/price.ts';
import { cursorOf, listOf, page, paging, time, timeCursor, timeOrNull } from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const summaryFields = {
  id: z.string(),
  tenant: z.string(),
  key: z.string().describe('Id of the key that created it.'),
  form: z.enum(BATCH_FORMS),
  endpoint: z.string(),
  status: z.enum(BATCH_STATUSES),
  models: z.array(z.string()),
  total: z.int(),
  completed: z.int(),
  failed: z.int().describe('Lines with an error, and those that did not run.'),
  unfinished: z.int().describe('Lines that did not run, because the batch was cancelled or expired.'),
  input_tokens: z.int(),
  output_tokens: z.int(),
  cost_usd: z.string().describe('The sum of the lines with a known cost.'),
  unpriced: z.int().describe('Lines whose cost is not known.'),
  created_at: z.string(),
  expires_at: z.string(),
  ended_at: z.string().nullable(),
};
const summary = z.object(summaryFields).meta({ id: 'BatchSummary' });
const details = z
  .object({
    ...summaryFields,
    input_file: z.string(),
    output_file: z.string().nullable(),
    error_file: z.string().nullable(),
    started_at: z.string().nullable(),
    cancelling_at: z.string().nullable(),
    errors: z.array(
      z.object({
        code: z.string(),
        message: z.string(),
        param: z.string().nullable(),
        line: z.int().nullable(),
      }),
    ),
  })
  .meta({ id: 'BatchDetails' });

/** @returns a batch as lists of the admin API and commands show it */
export function batchSummary(batch: Batch): z.output<typeof summary> {
  return {
    ...{ id: batch.id, tenant: batch.tenant, key: batch.keyId, form: batch.form, endpoint: batch.endpoint },
    ...{ status: batch.status, models: [...batch.models] },
    ...{ total: batch.total, completed: batch.completed, failed: batch.failed },
    ...{ unfinished: batch.unfinished, input_tokens: batch.inputTokens },
    ...{ output_tokens: batch.outputTokens, cost_usd: dollarsOfPico(batch.costPico) },
    ...{ unpriced: batch.unpriced, created_at: time(batch.createdAt) },
    ...{ expires_at: time(batch.expiresAt), ended_at: timeOrNull(batch.endedAt) },
  };
}

/** @returns all of a batch, as the admin API and commands show it */
export function batchDetails(batch: Batch): z.output<typeof details> {
  return {
    ...batchSummary(batch),
    ...{ input_file: batch.inputFile, output_file: batch.outputFile, error_file: batch.errorFile },
    ...{ started_at: timeOrNull(batch.startedAt), cancelling_at: timeOrNull(batch.cancellingAt) },
    errors: [...batch.errors],
  };
}

/** Routes with the batches of a tenant. */
export function batchRoutes({ batches, auditQueue }: AdminServices): RegisteredRoute[] {
  const base = '/admin/v1/tenants/:tenant/batches';
  return [
    adminRoute({
      method: 'GET',
      path: base,
      permission: 'usage:read',
      summary: 'List the batches of a tenant, the latest first',
      ...NO_BODY,
      query: z.object(paging),
      response: listOf(summary, 'BatchSummaryList'),
      handle: async ({ scope, query: { limit, after } }) => {
        const last = cursorOf(timeCursor, after);
        const found = await batches.list({
          ...{ tenant: scope.tenant, order: 'desc', limit: limit + 1 },
          after: last && { createdAt: last.at, id: last.id },
        });
        return {
          body: page(found, limit, ({ createdAt, id }) => ({ at: createdAt, id }), batchSummary),
        };
      },
    }),
    adminRoute({
      method: 'GET',
      path: `${base}/:batch`,
      permission: 'usage:read',
      summary: 'Get a batch',
      ...NO_INPUT,
      response: details,
      handle: async ({ scope, params }) => ({
        body: batchDetails(await batches.get(scope.tenant, params.batch ?? '')),
      }),
    }),
    adminRoute({
      method: 'POST',
      path: `${base}/:batch/cancel`,
      permission: 'limits:write',
      summary: 'Cancel a batch',
      description: 'Requests that run are completed. The others end without a response.',
      ...NO_INPUT,
      response: details,
      handle: async ({ scope, params, by }) => {
        const batch = await batches.cancel(scope.tenant, params.batch ?? '');
        await auditQueue.record(scope.tenant, by, 'batch.cancel', `batch:${batch.id}`, {});
        return { body: batchDetails(batch) };
      },
    }),
  ];
}
