import { z } from 'zod';
import { BATCH_FORMS, BATCH_STATUSES, type Batch, batchOf } from '../../batches/batch.ts';
import { type LineResult, RESULT_OUTCOMES } from '../../batches/batch-results.ts';
import { dollarsOfPico } from '../../metering/price.ts';
import { listAllBatches } from '../../storage/sql/work-lists.ts';
import {
  cursorOf,
  cursorText,
  listOf,
  page,
  paging,
  time,
  timeCursor,
  timeOrNull,
  wholeNumber,
} from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';
import { assertOwnOr, isOwn, pageOfWork, workPage, workQuery } from './work-owner.ts';

const summaryFields = {
  id: z.string(),
  tenant: z.string(),
  key: z.string().describe('Id of the key that created it.'),
  key_name: z.string().describe('Its name then; `console` for one that was created in the console.'),
  user: z.string().nullable().describe('Id of the member who created it; null for a key without a member.'),
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
  started_at: z.string().nullable(),
  expires_at: z.string(),
  ended_at: z.string().nullable(),
};
const summary = z.object(summaryFields).meta({ id: 'BatchSummary' });
const summaryList = listOf(summary, 'BatchSummaryList');
const details = z
  .object({
    ...summaryFields,
    input_file: z.string(),
    output_file: z.string().nullable(),
    error_file: z.string().nullable(),
    cancelling_at: z.string().nullable(),
    forwarding: z
      .object({
        forwarded: z.record(z.string(), z.int()).describe('Lines by provider.'),
        local: z.record(z.string(), z.int()).describe('Lines that Weir runs, by reason.'),
      })
      .nullable()
      .describe('Which lines run at the batch APIs of providers; null where no provider takes batches.'),
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
    ...{ id: batch.id, tenant: batch.tenant, key: batch.keyId, key_name: batch.caller.name },
    ...{ user: batch.member, form: batch.form, endpoint: batch.endpoint, status: batch.status },
    ...{ models: [...batch.models] },
    ...{ total: batch.total, completed: batch.completed, failed: batch.failed },
    ...{ unfinished: batch.unfinished, input_tokens: batch.inputTokens },
    ...{ output_tokens: batch.outputTokens, cost_usd: dollarsOfPico(batch.costPico) },
    ...{ unpriced: batch.unpriced, created_at: time(batch.createdAt) },
    started_at: timeOrNull(batch.startedAt),
    ...{ expires_at: time(batch.expiresAt), ended_at: timeOrNull(batch.endedAt) },
  };
}

/** @returns all of a batch, as the admin API and commands show it */
export function batchDetails(batch: Batch): z.output<typeof details> {
  return {
    ...batchSummary(batch),
    ...{ input_file: batch.inputFile, output_file: batch.outputFile, error_file: batch.errorFile },
    cancelling_at: timeOrNull(batch.cancellingAt),
    forwarding: batch.forwarding,
    errors: [...batch.errors],
  };
}

const lineResult = z
  .object({
    line: z.int().nullable().describe('Of the input; null where it is not known.'),
    custom_id: z.string(),
    request_id: z.string().nullable(),
    status: z.int().nullable().describe('HTTP status; null for a line that did not run.'),
    error: z.string().nullable().describe('Code of the error; null for a line with a response.'),
    cost_usd: z.string().nullable(),
    body: z.unknown().describe('The response in the dialect of the client; null without one.'),
  })
  .meta({ id: 'BatchLineResult' });

const resultPlace = z.union([
  z.object({ line: z.int().min(0) }),
  z.object({ file: z.enum(['output', 'error']), at: z.int().min(0) }),
]);

const MAX_RESULTS = 100;

function shownResult(result: LineResult): z.output<typeof lineResult> {
  const { line, customId, requestId, status, error, cost, body } = result;
  return { line, custom_id: customId, request_id: requestId, status, error, cost_usd: cost, body };
}

/** Routes with batches: of all tenants that the caller sees, and of one. */
export function batchRoutes(services: AdminServices): RegisteredRoute[] {
  const { access, batches, batchResults, control, auditQueue } = services;
  const base = '/admin/v1/tenants/:tenant/batches';
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/batches',
      permission: null,
      summary: 'List batches, the latest first',
      description: 'Those of all tenants in which the caller has the permission `usage:read`.',
      ...NO_BODY,
      query: z.object({
        ...workQuery,
        status: z.enum(BATCH_STATUSES).optional(),
        model: z.string().min(1).max(400).optional().describe('A model that a line names.'),
      }),
      response: summaryList,
      handle: async ({ actor, query }) => {
        const { status, model, limit } = query;
        const wanted = { ...workPage(actor, access, 'usage:read', query), status, model };
        const found = await listAllBatches(control, wanted);
        return { body: pageOfWork(found.map(batchOf), limit, batchSummary) };
      },
    }),
    adminRoute({
      method: 'GET',
      path: base,
      permission: 'usage:read',
      summary: 'List the batches of a tenant, the latest first',
      ...NO_BODY,
      query: z.object(paging),
      response: summaryList,
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
      method: 'GET',
      path: `${base}/:batch/results`,
      permission: 'usage:read',
      summary: 'List the results of the lines of a batch',
      description:
        'Those that are there, also while the batch runs. Needs the permission `requests:read` for a batch of someone else; each such call becomes an entry of the audit trail. A page can be short: continue with `next`.',
      ...NO_BODY,
      query: z.object({
        outcome: z.enum(RESULT_OUTCOMES).optional().describe('Default: both.'),
        limit: wholeNumber(1, MAX_RESULTS).default(20).describe(`Default: 20; maximum: ${MAX_RESULTS}.`),
        after: paging.after,
      }),
      response: listOf(lineResult, 'BatchLineResultList'),
      handle: async ({ actor, scope, params, query: { outcome, limit, after }, by }) => {
        const batch = await batches.get(scope.tenant, params.batch ?? '');
        assertOwnOr('requests:read', actor, batch);
        const { results, next } = await batchResults.page(batch, {
          ...{ outcome, limit, after: cursorOf(resultPlace, after) },
        });
        if (!isOwn(actor, batch)) {
          const read = { lines: results.length };
          await auditQueue.record(scope.tenant, by, 'batch.read', `batch:${batch.id}`, read);
        }
        return {
          body: {
            ...{ object: 'list', data: results.map(shownResult), has_more: next !== undefined },
            next: next ? cursorText(next) : null,
          },
        };
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${base}/:batch/cancel`,
      permission: 'usage:read',
      summary: 'Cancel a batch',
      description:
        'Requests that run are completed. The others end without a response. Needs the permission `limits:write` for a batch of someone else.',
      ...NO_INPUT,
      response: details,
      handle: async ({ actor, scope, params, by }) => {
        assertOwnOr('limits:write', actor, await batches.get(scope.tenant, params.batch ?? ''));
        const batch = await batches.cancel(scope.tenant, params.batch ?? '');
        await auditQueue.record(scope.tenant, by, 'batch.cancel', `batch:${batch.id}`, {});
        return { body: batchDetails(batch) };
      },
    }),
  ];
}
