import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { ClientDialect } from '../../../core/chat/dialect.ts';
import { GatewayError } from '../../../core/errors.ts';
import type { HeaderReader } from '../../../core/http.ts';
import type { ChatCall } from '../../../core/inference.ts';
import { asString } from '../../../core/json.ts';
import { once } from '../../../core/once.ts';
import type { Principal } from '../../../core/principal.ts';
import type { JsonBody } from '../../../http/body.ts';
import { openAiErrorBody } from '../../../http/error-body.ts';
import type { HttpContext } from '../../../http/http-context.ts';
import type { HttpRouter } from '../../../http/http-router.ts';
import { jsonResponse } from '../../../http/response.ts';
import { NO_BODY } from '../../../http/route-policy.ts';
import { chatCall } from '../../chat-call.ts';
import { addInferenceRoute, type InferenceEndpoint } from '../../inference-route.ts';
import type { ApiServices } from '../../services.ts';
import { validate } from '../../validation.ts';
import { type ContinuedConversation, continueFrom, inputItems, previousNotFound } from './conversation.ts';
import { responsesDialect } from './dialect.ts';
import type { Item } from './items.ts';
import { resolveReferences } from './references.ts';

export const responsesRequest = z
  .object({
    model: z.string().min(1, 'a model name is expected').max(400),
    input: z.union([z.string(), z.array(z.object({})).min(1)], 'text or a list of items is expected'),
    instructions: z.string().nullish(),
    previous_response_id: z
      .string()
      .min(1)
      .max(400)
      .regex(/^\P{Cc}*$/u, 'is not the id of a response')
      .nullish(),
    store: z
      .boolean()
      .nullish()
      .describe('Whether the response can be fetched and gone on from. True by default.'),
    stream: z.boolean().nullish(),
    max_output_tokens: z.number().int().min(1).nullish(),
    temperature: z.number().nullish(),
    top_p: z.number().nullish(),
    tools: z.array(z.object({ type: z.string() })).nullish(),
    reasoning: z.object({}).nullish(),
    text: z.object({}).nullish(),
  })
  .meta({ id: 'ResponsesRequest', example: { model: 'simulator', input: 'Say hello.' } });

export const responseObjectSchema = z
  .looseObject({
    id: z.string(),
    object: z.literal('response'),
    created_at: z.number(),
    status: z.string(),
    model: z.string(),
    output: z.array(z.looseObject({ type: z.string() })),
  })
  .meta({ id: 'Response' });

export const responseInputItems = z
  .object({
    object: z.literal('list'),
    data: z.array(z.looseObject({ id: z.string(), type: z.string().optional() })),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'ResponseInputItems' });

export const responseDeleted = z
  .object({ id: z.string(), object: z.literal('response'), deleted: z.literal(true) })
  .meta({ id: 'ResponseDeleted' });

/**
 * The dialect of one request: it adds the earlier conversation, and stores the response.
 * @param before the whole conversation; undefined where the request contains it
 */
function dialectFor(
  before: readonly Item[] | undefined,
  keep: (response: Item) => void,
  headers: HeaderReader,
): ClientDialect {
  // Clients may use a request id of theirs again; stored responses need ids of their own.
  const idBase = headers.get('x-request-id') === null ? undefined : randomUUID().replaceAll('-', '');
  const dialect = responsesDialect(keep, idBase);
  return {
    ...dialect,
    toChat(body) {
      const { previous_response_id: previous, ...rest } = body;
      if (before) return dialect.toChat({ ...rest, input: before });
      if (typeof previous === 'string') throw previousNotFound(previous);
      return dialect.toChat(body);
    },
  };
}

/** The measure of a request whose earlier conversation the provider has stored: its body has only the end of it. */
function withConversation(
  { items }: ContinuedConversation,
  dialect: ClientDialect,
  { json }: JsonBody,
): Pick<ChatCall, 'view' | 'unwrittenBytes'> {
  const { previous_response_id: _, ...rest } = json;
  const earlier = items.slice(0, items.length - inputItems(json.input).length);
  return {
    view: once(() => dialect.requestView({ ...rest, input: items })),
    get unwrittenBytes() {
      return Buffer.byteLength(JSON.stringify(earlier));
    },
  };
}

function notFound(id: string): GatewayError {
  return new GatewayError('not_found', `Response with id '${id.slice(0, 200)}' not found.`);
}

export function addResponsesRoutes(router: HttpRouter, services: ApiServices): void {
  const { responses, retentionOf, clock } = services;

  const makeCall = async (body: JsonBody, headers: HeaderReader, principal: Principal): Promise<ChatCall> => {
    validate(responsesRequest, body.json);
    const scope = { tenant: principal.tenant };
    const previous = asString(body.json.previous_response_id);
    const resolved = await resolveReferences(body, {
      outputsOf: (ids) => responses.outputsOf(scope, ids),
      get: (id) => responses.get(scope, id),
    });
    const own = resolved?.items ?? inputItems(body.json.input);
    const forwarded = resolved?.passthrough ?? body;
    const stored = previous === undefined ? undefined : await responses.get(scope, previous);
    const continued = stored && continueFrom(stored, own, forwarded);
    const input = continued?.items ?? own;
    const keep = (native: boolean) => (response: Readonly<Record<string, unknown>>) => {
      const id = asString(response.id);
      if (body.json.store === false || id === undefined || response.status === 'failed') return;
      const createdAt = clock.wallTime();
      const kept = retentionOf(scope.tenant).responses;
      const expiresAt = kept === null ? Number.MAX_SAFE_INTEGER : createdAt + kept;
      responses.save(scope, { id, createdAt, expiresAt, input, response, native });
    };
    const isComplete = continued !== undefined || (resolved !== undefined && previous === undefined);
    const dialect = dialectFor(isComplete ? input : undefined, keep(false), headers);
    const call = chatCall('chat', dialect, continued?.passthrough ?? forwarded, headers);
    return {
      ...call,
      ...(continued && stored?.native ? withConversation(continued, dialect, body) : {}),
      includesStreamUsage: true,
      // Of the body as it came, since its dialect knows what comes before.
      chat: once(() => dialect.toChat(body.json)),
      onResponse: keep(true),
    };
  };

  const create: InferenceEndpoint = {
    operation: 'chat',
    parse: (body, _snapshot, { request }, principal) => makeCall(body, request.headers, principal),
    renderStreamError: (error) =>
      new TextEncoder().encode(
        `event: error\ndata: ${JSON.stringify({ type: 'error', ...JSON.parse(openAiErrorBody(error)).error })}\n\n`,
      ),
  };
  addInferenceRoute(router, services, '/v1/responses', create);

  const policy = { access: services.callers.key, body: NO_BODY };
  const find = async ({ params }: HttpContext, { tenant }: Principal) => {
    const id = params.id ?? '';
    const stored = await responses.get({ tenant }, id);
    if (!stored) throw notFound(id);
    return stored;
  };
  router.route('GET', '/v1/responses/:id', policy, async (httpContext, principal) => {
    const { response } = await find(httpContext, principal);
    return jsonResponse(httpContext.request, 200, JSON.stringify(response), {});
  });
  router.route('GET', '/v1/responses/:id/input_items', policy, async (httpContext, principal) => {
    const { input, id } = await find(httpContext, principal);
    const data = input.map((item, index) => ({ id: `item_${id}_${index}`, ...item }));
    const list = {
      object: 'list',
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: false,
    };
    return jsonResponse(httpContext.request, 200, JSON.stringify(list), {});
  });
  router.route('DELETE', '/v1/responses/:id', policy, async ({ request, params }, { tenant }) => {
    const id = params.id ?? '';
    if (!(await responses.delete({ tenant }, id))) throw notFound(id);
    return jsonResponse(request, 200, JSON.stringify({ id, object: 'response', deleted: true }), {});
  });
}
