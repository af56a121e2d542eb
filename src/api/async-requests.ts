import { z } from 'zod';
import { type AsyncRequest, hasEnded, type KeptResponse } from '../async/async-request.ts';
import type { AsyncRequests } from '../async/async-requests.ts';
import { GatewayError } from '../core/errors.ts';
import type { HeaderReader, HttpResponse } from '../core/http.ts';
import { parseJsonText } from '../core/json.ts';
import { matchesAny } from '../core/model-scope.ts';
import type { Principal } from '../core/principal.ts';
import type { JsonBody } from '../http/body.ts';
import type { HttpContext } from '../http/http-context.ts';
import type { HttpRouter } from '../http/http-router.ts';
import { jsonResponse } from '../http/response.ts';
import { NO_BODY } from '../http/route-policy.ts';
import { dollarsOfPico } from '../metering/price.ts';
import { ASYNC_ENDPOINTS, ASYNC_ROUTE } from './endpoint-scope.ts';
import { callerOf, ownerOf } from './request-owner.ts';
import type { ApiServices } from './services.ts';

const seconds = z.int().nullable().describe('Unix seconds');

export const asyncObject = z
  .object({
    id: z.string(),
    object: z.literal('async'),
    status: z.enum(['pending', 'running', 'succeeded', 'failed', 'cancelled']),
    endpoint: z.string(),
    model: z.string(),
    created_at: z.int(),
    started_at: seconds,
    ended_at: seconds,
    expires_at: seconds.describe('when it fails unless it has run, or when its response is deleted'),
    cost_usd: z.string().nullable().describe('of all its runs; null where it is unknown'),
    error_code: z.string().nullable(),
    response: z
      .object({
        status_code: z.int(),
        headers: z.record(z.string(), z.string()),
        body: z.unknown().describe('the body that the endpoint responds with'),
      })
      .nullable()
      .describe('null until there is one, and after it was deleted'),
  })
  .meta({ id: 'AsyncRequest' });

const RESPOND_ASYNC = /(?:^|,)\s*respond-async\s*(?:$|[,;])/i;
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;
/** Seconds after which clients look again. */
const RETRY_AFTER = '1';
/** Headers that decide how a request runs. Credentials are not stored. */
const KEPT_HEADER = /^(?:x-weir-(?!tenant$|forwarded$|region-address$)|anthropic-|traceparent$|tracestate$)/;

/** @returns whether a client wants the response later @see https://datatracker.ietf.org/doc/html/rfc7240#section-4.1 */
export function prefersAsync(path: string, headers: HeaderReader): boolean {
  const preference = headers.get('prefer');
  return preference !== null && ASYNC_ENDPOINTS.has(path) && RESPOND_ASYNC.test(preference);
}

/**
 * Queues a request that has been checked.
 * @param model as the client named it
 * @returns the response with status 202
 * @throws GatewayError `invalid_request` for a stream, or as `AsyncRequests.add`
 */
export async function queueRequest(
  services: ApiServices,
  httpContext: HttpContext,
  principal: Principal,
  { text, json }: JsonBody,
  model: string,
): Promise<HttpResponse> {
  if (json.stream === true) {
    throw new GatewayError(
      'invalid_request',
      'A request with "Prefer: respond-async" has no stream. Send it without "stream", or without the preference.',
      { param: 'stream' },
    );
  }
  const { request, route } = httpContext;
  const idempotencyKey = request.headers.get('idempotency-key');
  if (idempotencyKey !== null && !IDEMPOTENCY_KEY.test(idempotencyKey)) {
    throw new GatewayError(
      'invalid_request',
      'The header "idempotency-key" must have 1 to 255 visible characters.',
      { param: 'idempotency-key' },
    );
  }
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  for (const name of request.headers.keys?.() ?? []) {
    if (KEPT_HEADER.test(name)) headers[name] = request.headers.get(name) ?? '';
  }
  const queued = await services.asyncRequests.add(ownerOf(principal), {
    ...{ endpoint: route, model, body: text, headers, idempotencyKey },
    caller: callerOf(services, httpContext, principal),
  });
  return jsonResponse(request, 202, shownRequest(queued, undefined), {
    location: `/v1/async/${queued.id}`,
    'preference-applied': 'respond-async',
    'retry-after': RETRY_AFTER,
  });
}

/** @returns JSON text, with the body of the response as it is */
function shownRequest(request: AsyncRequest, response: KeptResponse | undefined): string {
  const at = (time: number | null) => (time === null ? null : Math.floor(time / 1_000));
  const { id, status, endpoint, model, createdAt, startedAt, endedAt, deadlineAt, deleteAt } = request;
  const shown: Omit<z.infer<typeof asyncObject>, 'response'> = {
    ...{ id, object: 'async', status, endpoint, model },
    ...{ created_at: Math.floor(createdAt / 1_000), started_at: at(startedAt), ended_at: at(endedAt) },
    expires_at: at(deleteAt ?? deadlineAt),
    cost_usd: request.costPico === null ? null : dollarsOfPico(request.costPico),
    error_code: request.errorCode,
  };
  const head = JSON.stringify(shown).slice(0, -1);
  if (!response) return `${head},"response":null}`;
  const { status: status_code, headers, body } = response;
  const outer = JSON.stringify({ status_code, headers }).slice(0, -1);
  // Exact: parsed and written again, large numbers would change.
  const text = parseJsonText(body) === undefined ? JSON.stringify(body) : body.trim();
  return `${head},"response":${outer},"body":${text}}}`;
}

/** The key that queued a request sees it, and others of its tenant that could have queued it. */
function isVisibleTo({ keyId, scopes }: Principal) {
  return (request: AsyncRequest): boolean => {
    if (request.keyId === keyId) return true;
    const { endpoints, models } = scopes ?? {};
    if (endpoints && !matchesAny(endpoints, request.endpoint)) return false;
    return !models || matchesAny(models, request.model);
  };
}

/** Adds what clients see queued requests with. */
export function addAsyncRoutes(
  router: HttpRouter,
  { callers }: Pick<ApiServices, 'callers'>,
  requests: AsyncRequests,
): void {
  const policy = { access: callers.key, body: NO_BODY };
  router.route('GET', ASYNC_ROUTE, policy, async ({ request, params }, principal) => {
    const found = await requests.get(principal.tenant, params.async ?? '', isVisibleTo(principal));
    const response = await requests.responseOf(found);
    const headers = hasEnded(found) ? {} : { 'retry-after': RETRY_AFTER };
    return jsonResponse(request, 200, shownRequest(found, response), headers);
  });
  router.route('DELETE', ASYNC_ROUTE, policy, async ({ request, params }, principal) => {
    const found = await requests.get(principal.tenant, params.async ?? '', isVisibleTo(principal));
    const cancelled = (await requests.cancel(found)) ?? found;
    return jsonResponse(request, 200, shownRequest(cancelled, undefined), {});
  });
}
