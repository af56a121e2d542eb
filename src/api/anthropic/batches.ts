import { z } from 'zod';
import { type Batch, hasEnded } from '../../batches/batch.ts';
import type { Batches } from '../../batches/batches.ts';
import { GatewayError } from '../../core/errors.ts';
import { type Files, newFileId } from '../../files/files.ts';
import { MESSAGE_BATCH_PURPOSE } from '../../files/stored-file.ts';
import { readJsonBody } from '../../http/body.ts';
import { clientOrigin } from '../../http/client-address.ts';
import type { HttpContext } from '../../http/http-context.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { queryFields, queryOf } from '../../http/query.ts';
import { httpResponse, jsonResponse } from '../../http/response.ts';
import { NO_BODY, SMALL_BODY } from '../../http/route-policy.ts';
import { DAY_MS } from '../openai/batches.ts';
import { bodyOf } from '../openai/files.ts';
import { callerOf, ownerOf } from '../request-owner.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';
import { anthropicErrorBody } from './errors.ts';

const MAX_REQUESTS = 100_000;
const ENDPOINT = '/v1/messages';

export const messageBatchRequest = z
  .object({
    requests: z
      .array(
        z.object({
          custom_id: z
            .string()
            .regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, "_" and "-"'),
          params: z.looseObject({
            model: z.string().min(1, 'a model name is expected'),
            stream: z.literal(false, 'requests of a batch cannot stream').nullish(),
          }),
        }),
      )
      .min(1, 'at least one request is expected')
      .max(MAX_REQUESTS),
  })
  .meta({
    id: 'MessageBatchRequest',
    example: {
      requests: [
        {
          custom_id: 'first',
          params: {
            ...{ model: 'simulator', max_tokens: 100 },
            messages: [{ role: 'user', content: 'Say hello.' }],
          },
        },
      ],
    },
  });

const time = z.string().nullable().describe('RFC 3339');

export const messageBatch = z
  .object({
    id: z.string(),
    type: z.literal('message_batch'),
    processing_status: z.enum(['in_progress', 'canceling', 'ended']),
    request_counts: z.object({
      processing: z.int(),
      succeeded: z.int(),
      errored: z.int(),
      canceled: z.int(),
      expired: z.int(),
    }),
    created_at: z.string(),
    expires_at: z.string(),
    ended_at: time,
    cancel_initiated_at: time,
    archived_at: time,
    results_url: z.string().nullable(),
  })
  .meta({ id: 'MessageBatch' });

export const messageBatchList = z
  .object({
    data: z.array(messageBatch),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'MessageBatchList' });

export const messageBatchDeleted = z
  .object({ id: z.string(), type: z.literal('message_batch_deleted') })
  .meta({ id: 'MessageBatchDeleted' });

export const messageBatchQuery = z.object({
  after_id: z.string().max(100).optional(),
  before_id: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(20),
});

/** @param origin of URLs; empty for relative ones @returns the batch in Anthropic's form */
export function shownMessageBatch(batch: Batch, origin: string): z.infer<typeof messageBatch> {
  const { id, status, total, completed, failed, unfinished } = batch;
  const isEnded = hasEnded(batch);
  const at = (value: number | null) => (value === null ? null : new Date(value).toISOString());
  return {
    ...{ id, type: 'message_batch' },
    processing_status: isEnded ? 'ended' : status === 'cancelling' ? 'canceling' : 'in_progress',
    request_counts: {
      // As Anthropic does: the others are 0 until the batch has ended.
      processing: isEnded ? 0 : total,
      succeeded: isEnded ? completed : 0,
      errored: isEnded ? failed - unfinished : 0,
      canceled: status === 'cancelled' ? unfinished : 0,
      expired: status === 'expired' ? unfinished : 0,
    },
    created_at: new Date(batch.createdAt).toISOString(),
    expires_at: new Date(batch.expiresAt).toISOString(),
    ...{ ended_at: at(batch.endedAt), cancel_initiated_at: at(batch.cancellingAt), archived_at: null },
    results_url: batch.outputFile === null ? null : `${origin}/v1/messages/batches/${id}/results`,
  };
}

export function addMessageBatchRoutes(
  router: HttpRouter,
  services: ApiServices,
  { batches, files }: { readonly batches: Batches; readonly files: Files },
): void {
  const access = services.callers.key;
  const selectDialect = (httpContext: HttpContext) => {
    httpContext.renderError = anthropicErrorBody;
    httpContext.requestIdHeader = 'request-id';
  };
  const policy = { access, body: NO_BODY, selectDialect };
  const respond = (httpContext: HttpContext, value: unknown) =>
    jsonResponse(httpContext.request, 200, JSON.stringify(value), {});
  const shown = (httpContext: HttpContext, batch: Batch) =>
    shownMessageBatch(batch, clientOrigin(httpContext, services.snapshot().isProxy) ?? '');
  const path = '/v1/messages/batches';

  router.route(
    'POST',
    path,
    { access, body: services.bodyLimit, selectDialect },
    async (httpContext, principal) => {
      const { request, bodyLimit } = httpContext;
      const { requests } = validate(messageBatchRequest, (await readJsonBody(request, bodyLimit)).json);
      assertUniqueIds(requests.map(({ custom_id: id }) => id));
      const id = newFileId();
      const file = { purpose: MESSAGE_BATCH_PURPOSE, filename: `${id}.jsonl`, expiresAt: null };
      await files.writeOwn(id, principal.tenant, file, inputOf(requests));
      const created = batches.create(ownerOf(principal), {
        ...{ form: 'messages', endpoint: ENDPOINT, inputFile: id, metadata: null },
        caller: callerOf(services, httpContext, principal),
        ...{ completionWindow: '24h', windowMs: DAY_MS, outputExpiresMs: null },
      });
      const batch = await created.catch(async (error: unknown) => {
        // It counts for no quota, and nothing else would delete it soon.
        await files.delete(principal.tenant, id).catch(() => undefined);
        throw error;
      });
      // The lines are known, though they are not read yet.
      return respond(httpContext, shown(httpContext, { ...batch, total: requests.length }));
    },
  );
  router.route('GET', path, policy, async (httpContext, { tenant }) => {
    const query = validate(messageBatchQuery, queryFields(queryOf(httpContext.request)));
    const { after_id: afterId, before_id: beforeId, limit } = query;
    const from = afterId ?? beforeId;
    const last = from === undefined ? undefined : await batches.get(tenant, from, 'messages');
    const isBackwards = afterId === undefined && beforeId !== undefined;
    const order = isBackwards ? 'asc' : 'desc';
    const found = await batches.list({ tenant, form: 'messages', order, after: last, limit: limit + 1 });
    const page = found.slice(0, limit);
    const data = (isBackwards ? page.reverse() : page).map((batch) => shown(httpContext, batch));
    return respond(httpContext, {
      ...{ data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null },
      has_more: found.length > limit,
    });
  });
  router.route('GET', `${path}/:batch`, policy, async (httpContext, { tenant }) =>
    respond(
      httpContext,
      shown(httpContext, await batches.get(tenant, httpContext.params.batch ?? '', 'messages')),
    ),
  );
  router.route(
    'POST',
    `${path}/:batch/cancel`,
    { access, body: SMALL_BODY, selectDialect },
    async (httpContext, { tenant }) =>
      respond(
        httpContext,
        shown(httpContext, await batches.cancel(tenant, httpContext.params.batch ?? '', 'messages')),
      ),
  );
  router.route('GET', `${path}/:batch/results`, policy, async ({ params }, { tenant }) => {
    const batch = await batches.get(tenant, params.batch ?? '', 'messages');
    if (batch.outputFile === null) {
      throw new GatewayError('not_found', `Batch ${batch.id} has no available results.`);
    }
    const file = await files.get(tenant, batch.outputFile);
    return httpResponse(200, bodyOf(await files.open(file)), { 'content-type': 'application/x-jsonl' });
  });
  router.route('DELETE', `${path}/:batch`, policy, async (httpContext, { tenant }) => {
    const id = httpContext.params.batch ?? '';
    await batches.delete(tenant, id, 'messages');
    return respond(httpContext, { id, type: 'message_batch_deleted' });
  });
}

function assertUniqueIds(ids: readonly string[]): void {
  const seen = new Set<string>();
  for (const [index, id] of ids.entries()) {
    if (seen.has(id)) {
      throw new GatewayError(
        'invalid_request',
        `requests.${index}.custom_id: "${id}" occurs more than once.`,
        {
          param: `requests.${index}.custom_id`,
        },
      );
    }
    seen.add(id);
  }
}

/** The requests as lines of a batch. */
async function* inputOf(
  requests: z.infer<typeof messageBatchRequest>['requests'],
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for (const { custom_id: id, params } of requests) {
    const line = { custom_id: id, method: 'POST', url: ENDPOINT, body: params };
    yield encoder.encode(`${JSON.stringify(line)}\n`);
  }
}
