import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { dollarsOfPico } from '../../metering/price.ts';
import { durationOf, type KeptRequest, type RequestFilter } from '../../storage/kept-request.ts';
import { order, type RequestPlace } from '../../storage/sql/request-store.ts';
import { REJECTED } from '../../storage/usage-event.ts';
import { isAllowed } from '../../tenancy/actor.ts';
import { cursorOf, time, timeInput, wholeNumber } from './paging.ts';
import { RequestDetails, requestDetails } from './request-details.ts';
import { adminRoute, NO_BODY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';
import { type VisibleTenant, visibleTenants } from './visible-tenants.ts';

const DAY_MS = 86_400_000;
const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 500;
/** Tenant databases that are searched for one page. */
const MAX_TENANTS = 200;
const AT_ONCE = 8;

const text = z.string().min(1).max(400).optional();
const amount = z
  .string()
  .regex(/^\d{1,6}(\.\d{1,12})?$/, 'must be an amount of US dollars such as 0.25')
  .transform((dollars) => Math.round(Number(dollars) * 1e12))
  .optional();

const requestQuery = z.object({
  from: timeInput.optional().describe('Inclusive: requests that ended then or later. Default: a day ago.'),
  to: timeInput.optional().describe('Exclusive. Default: now.'),
  ...{ tenant: z.string().max(63).optional(), user: text, key: text, model: text, provider: text, tag: text },
  id: text.describe('Id of the request: `x-request-id`.'),
  status: z
    .string()
    .regex(/^([1-5]\d\d|[1-5]xx)$/, 'must be a status such as 429, or a class of them such as 5xx')
    .transform((status) => Number(status.replace('xx', '')))
    .optional()
    .describe('A status such as `429`, or a class of them such as `5xx`.'),
  error: text.describe('Code of the error, such as `rate_limit_exceeded`.'),
  min_cost: amount.describe('US dollars.'),
  max_cost: amount.describe('US dollars.'),
  min_duration_ms: wholeNumber(0, 1e12).optional(),
  limit: wholeNumber(1, MAX_LIMIT)
    .default(DEFAULT_LIMIT)
    .describe(`Maximum number of items. Default: ${DEFAULT_LIMIT}; maximum: ${MAX_LIMIT}.`),
  after: z.string().max(500).optional().describe('The `next` of the previous page.'),
});
type RequestsQuery = z.output<typeof requestQuery>;

const requestRow = z.object({
  id: z.string(),
  at: z.string().describe('When it ended.'),
  tenant: z.string(),
  key: z.string(),
  user: z.string().nullable(),
  model: z.string(),
  provider: z.string().nullable().describe('Null for a request that reached no target.'),
  upstream_model: z.string().nullable(),
  operation: z.string(),
  tags: z.array(z.string()).readonly(),
  status: z.number().int(),
  error: z.string().nullable().describe('Code of the error that ended it.'),
  outcome: z
    .string()
    .describe(
      '`done`, `failed`, `client_gone`, `stopped`, `cached`, `lost` when its gateway was killed, or `rejected` when it reached no target.',
    ),
  attempts: z.number().int(),
  input_tokens: z.number().int(),
  output_tokens: z.number().int(),
  cached_tokens: z.number().int(),
  reasoning_tokens: z.number().int(),
  cost: z.string().nullable().describe('US dollars, as an exact decimal; null without a known price.'),
  estimated: z.boolean(),
  duration_ms: z.number().int(),
  first_event_ms: z.number().int().nullable().describe('Of a stream.'),
  trace_id: z.string().nullable(),
  count: z.number().int().describe('Requests that the row stands for: many that were rejected at once.'),
});

const requestList = z
  .object({
    object: z.literal('list'),
    data: z.array(requestRow),
    has_more: z.boolean(),
    next: z.string().nullable().describe('Value of `after` for the next page; null on the last page.'),
    partial: z
      .boolean()
      .describe('The search was ended before the page was full: continue with `next`, or narrow the search.'),
  })
  .meta({ id: 'RequestList' });

const place = z.object({ at: z.int(), id: z.string().max(200) });

/** Requests: a list that can be searched, and everything about one of them. */
export function requestRoutes(services: AdminServices): RegisteredRoute[] {
  const { access, clock } = services;
  const details = new RequestDetails(services);
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/requests',
      permission: null,
      summary: 'List and search requests, newest first',
      description:
        'All that were kept, those that reached no target included. Members without the permission `requests:read` see their own.',
      ...NO_BODY,
      query: requestQuery,
      response: requestList,
      handle: async ({ actor, query }) => {
        const tenants = visibleTenants(actor, access, 'requests:read', query);
        if (tenants.length > MAX_TENANTS) {
          throw new GatewayError(
            'invalid_request',
            `There are more than ${MAX_TENANTS} tenants: name one with "tenant".`,
            { param: 'tenant' },
          );
        }
        return { body: await list(services, tenants, query, clock.wallTime()) };
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/requests/:id',
      permission: null,
      summary: 'Get a request: its attempts, and why it went where it went',
      description:
        'By `x-request-id`. The last 2,000 requests of this process have the whole routing decision; older ones have what usage keeps of them.',
      ...NO_BODY,
      query: z.object({ tenant: z.string().max(63).optional() }),
      response: requestDetails,
      handle: async ({ actor, params, query }) => {
        const id = params.id ?? '';
        const tenants = visibleTenants(actor, access, 'requests:read', query);
        const sees = (tenant: string, member: string | null | undefined) =>
          isAllowed(actor, 'requests:read', tenant) || (member != null && member === actor.member);
        const found = await details.find(id, tenants.slice(0, MAX_TENANTS), sees);
        if (found) return { body: found };
        throw new GatewayError(
          'not_found',
          `Request "${id.slice(0, 128)}" is not kept, or is not yours to see.`,
        );
      },
    }),
  ];
}

/** One page of all tenants: each is asked for a whole page, of which the newest are shown. */
async function list(
  { requests }: AdminServices,
  tenants: readonly VisibleTenant[],
  query: RequestsQuery,
  now: number,
) {
  const { limit } = query;
  const range = { from: query.from ?? now - DAY_MS, to: query.to ?? now + 1 };
  const after = cursorOf(place, query.after);
  const rows: { readonly tenant: string; readonly request: KeptRequest }[] = [];
  /** Where the search of a tenant ended, where it has more: nothing after the first of them is shown. */
  const ends: RequestPlace[] = [];
  let isPartial = false;
  const next = tenants.values();
  const worker = async () => {
    for (const { tenant, user } of next) {
      const filter = filterOf(query, user);
      const page = await requests.list({ tenant }, { ...range, filter, after, limit });
      for (const request of page.requests) rows.push({ tenant, request });
      if (page.next) ends.push(page.next);
      isPartial ||= page.isPartial;
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, tenants.length) }, worker));
  const [end] = ends.toSorted(order);
  const sorted = rows
    .filter(({ request }) => !end || order(request.main, end) <= 0)
    .sort((a, b) => order(a.request.main, b.request.main));
  const shown = sorted.slice(0, limit);
  const last = shown.at(-1)?.request.main;
  const isCut = sorted.length > limit;
  const following = isCut && last ? { at: last.at, id: last.id } : end;
  return {
    object: 'list' as const,
    data: shown.map(({ tenant, request }) => renderRequest(tenant, request)),
    has_more: following !== undefined,
    next: following ? Buffer.from(JSON.stringify(following)).toString('base64url') : null,
    partial: isPartial && !isCut,
  };
}

function filterOf(query: RequestsQuery, user: string | undefined): RequestFilter {
  const { id, key, model, provider, tag, status, error } = query;
  return {
    ...{ id, user, key, model, provider, tag, status, error },
    ...{ minCostPico: query.min_cost, maxCostPico: query.max_cost, minDurationMs: query.min_duration_ms },
  };
}

export function renderRequest(tenant: string, request: KeptRequest): z.output<typeof requestRow> {
  const { main, attempts, costPico } = request;
  const sum = (of: (one: KeptRequest['main']) => number) =>
    attempts.reduce((total, one) => total + of(one), 0);
  const isRejected = main.outcome === REJECTED;
  return {
    id: main.requestId,
    at: time(main.at),
    tenant,
    key: main.keyId,
    user: main.member,
    model: main.model,
    provider: isRejected ? null : main.provider,
    upstream_model: isRejected ? null : main.upstreamModel,
    operation: main.operation,
    tags: main.tags,
    status: main.status,
    error: main.request?.error ?? null,
    outcome: main.outcome,
    attempts: attempts.length,
    input_tokens: sum(({ inputTokens }) => inputTokens),
    output_tokens: sum(({ outputTokens }) => outputTokens),
    cached_tokens: sum(({ cachedTokens }) => cachedTokens),
    reasoning_tokens: sum(({ reasoningTokens }) => reasoningTokens),
    cost: costPico === undefined ? null : dollarsOfPico(costPico),
    estimated: attempts.some(({ estimated }) => estimated),
    duration_ms: durationOf(request),
    first_event_ms: main.request?.firstEventMs ?? null,
    trace_id: main.request?.traceId ?? null,
    count: main.request?.count ?? 1,
  };
}
