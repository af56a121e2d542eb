import { z } from 'zod';
import type { Batch } from '../../batches/batch.ts';
import { BATCH_ENDPOINTS } from '../../batches/batch-line.ts';
import type { Batches } from '../../batches/batches.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Files } from '../../files/files.ts';
import { readJsonBody } from '../../http/body.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { queryFields, queryOf } from '../../http/query.ts';
import { jsonResponse } from '../../http/response.ts';
import { NO_BODY, SMALL_BODY } from '../../http/route-policy.ts';
import { dollarsOfPico } from '../../metering/price.ts';
import { callerOf, ownerOf } from '../request-owner.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';
import { listOf } from './files.ts';

const MAX_METADATA = 16;
const metadata = z
  .record(z.string().max(64), z.string().max(512))
  .refine((value) => Object.keys(value).length <= MAX_METADATA, `at most ${MAX_METADATA} keys are allowed`);

const seconds = z.int().nullable().describe('Unix seconds');

export const batchRequest = z
  .object({
    input_file_id: z.string().min(1).max(100).describe('a file with the purpose `batch`'),
    endpoint: z.enum(BATCH_ENDPOINTS),
    completion_window: z.literal('24h', 'the completion window must be 24h'),
    metadata: metadata.nullish(),
    output_expires_after: z
      .object({ anchor: z.literal('created_at'), seconds: z.int().min(3_600).max(2_592_000) })
      .nullish(),
  })
  .meta({
    id: 'BatchRequest',
    example: { input_file_id: 'file-1', endpoint: '/v1/chat/completions', completion_window: '24h' },
  });

export const batchObject = z
  .object({
    id: z.string(),
    object: z.literal('batch'),
    endpoint: z.string(),
    model: z.string().nullable().describe('null where lines name several'),
    errors: z
      .object({
        object: z.literal('list'),
        data: z.array(
          z.object({
            code: z.string(),
            message: z.string(),
            param: z.string().nullable(),
            line: z.int().nullable(),
          }),
        ),
      })
      .nullable(),
    input_file_id: z.string(),
    completion_window: z.string(),
    status: z.string(),
    output_file_id: z.string().nullable(),
    error_file_id: z.string().nullable(),
    created_at: z.int(),
    in_progress_at: seconds,
    expires_at: seconds,
    finalizing_at: seconds,
    completed_at: seconds,
    failed_at: seconds,
    expired_at: seconds,
    cancelling_at: seconds,
    cancelled_at: seconds,
    request_counts: z.object({ total: z.int(), completed: z.int(), failed: z.int() }),
    metadata: z.record(z.string(), z.string()).nullable(),
    usage: z.object({ input_tokens: z.int(), output_tokens: z.int(), total_tokens: z.int() }),
    cost_usd: z
      .string()
      .nullable()
      .describe('the sum of its lines; null where the cost of a line is unknown. An addition of Weir.'),
    forwarding: z
      .object({
        forwarded: z.record(z.string(), z.int()).describe('lines by provider'),
        local: z.record(z.string(), z.int()).describe('lines that Weir runs, by reason'),
      })
      .nullable()
      .describe(
        'which lines run at the batch APIs of providers; null where no provider takes batches. An addition of Weir.',
      ),
  })
  .meta({ id: 'Batch' });

export const batchList = z
  .object({
    object: z.literal('list'),
    data: z.array(batchObject),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'BatchList' });

export const batchQuery = z.object({
  after: z.string().max(100).optional().describe('the last id of the page before'),
  limit: z.coerce.number().int().min(1).max(100).default(20),
});

export const DAY_MS = 86_400_000;

/** @returns the batch in OpenAI's form */
export function shownBatch(batch: Batch): z.infer<typeof batchObject> {
  const { status, errors, inputTokens, outputTokens, models } = batch;
  const at = (time: number | null) => (time === null ? null : Math.floor(time / 1_000));
  const endedAs = (wanted: Batch['status']) => (status === wanted ? at(batch.endedAt) : null);
  const [model = null] = models.length === 1 ? models : [];
  return {
    ...{ id: batch.id, object: 'batch', endpoint: batch.endpoint, model },
    errors: errors.length === 0 ? null : { object: 'list', data: [...errors] },
    ...{ input_file_id: batch.inputFile, completion_window: batch.completionWindow, status },
    ...{ output_file_id: batch.outputFile, error_file_id: batch.errorFile },
    ...{ created_at: Math.floor(batch.createdAt / 1_000), in_progress_at: at(batch.startedAt) },
    ...{ expires_at: at(batch.expiresAt), finalizing_at: at(batch.finalizingAt) },
    ...{ completed_at: endedAs('completed'), failed_at: endedAs('failed'), expired_at: endedAs('expired') },
    ...{ cancelling_at: at(batch.cancellingAt), cancelled_at: endedAs('cancelled') },
    request_counts: { total: batch.total, completed: batch.completed, failed: batch.failed },
    metadata: batch.metadata,
    usage: {
      ...{ input_tokens: inputTokens, output_tokens: outputTokens },
      total_tokens: inputTokens + outputTokens,
    },
    cost_usd: batch.unpriced > 0 ? null : dollarsOfPico(batch.costPico),
    forwarding: batch.forwarding,
  };
}

export function addBatchRoutes(
  router: HttpRouter,
  services: ApiServices,
  { batches, files }: { readonly batches: Batches; readonly files: Files },
): void {
  const access = services.callers.key;

  router.route('POST', '/v1/batches', { access, body: SMALL_BODY }, async (httpContext, principal) => {
    const { request, bodyLimit } = httpContext;
    const given = validate(batchRequest, (await readJsonBody(request, bodyLimit)).json);
    const file = await files.get(principal.tenant, given.input_file_id);
    if (file.purpose !== 'batch') {
      throw new GatewayError(
        'invalid_request',
        `The file "${file.id}" has the purpose "${file.purpose}"; the input of a batch needs the purpose "batch".`,
        { param: 'input_file_id' },
      );
    }
    const batch = await batches.create(ownerOf(principal), {
      ...{ form: 'file', endpoint: given.endpoint, inputFile: file.id },
      caller: callerOf(services, httpContext, principal),
      ...{ metadata: given.metadata ?? null, completionWindow: '24h', windowMs: DAY_MS },
      outputExpiresMs: given.output_expires_after ? given.output_expires_after.seconds * 1_000 : null,
    });
    return jsonResponse(request, 200, JSON.stringify(shownBatch(batch)), {});
  });

  const policy = { access, body: NO_BODY };
  router.route('GET', '/v1/batches', policy, async ({ request }, { tenant }) => {
    const { after, limit } = validate(batchQuery, queryFields(queryOf(request)));
    const last = after === undefined ? undefined : await batches.get(tenant, after, 'file');
    const page = await batches.list({
      ...{ tenant, form: 'file', order: 'desc', after: last, limit: limit + 1 },
    });
    return jsonResponse(request, 200, JSON.stringify(listOf(page.map(shownBatch), limit)), {});
  });
  router.route('GET', '/v1/batches/:batch', policy, async ({ request, params }, { tenant }) => {
    const batch = await batches.get(tenant, params.batch ?? '', 'file');
    return jsonResponse(request, 200, JSON.stringify(shownBatch(batch)), {});
  });
  router.route(
    'POST',
    '/v1/batches/:batch/cancel',
    { access, body: SMALL_BODY },
    async ({ request, params }, { tenant }) => {
      const batch = await batches.cancel(tenant, params.batch ?? '', 'file');
      return jsonResponse(request, 200, JSON.stringify(shownBatch(batch)), {});
    },
  );
}
