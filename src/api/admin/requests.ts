import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { RequestFilter } from '../../storage/kept-request.ts';
import { order, type RequestPlace } from '../../storage/sql/request-store.ts';
import { isAllowed } from '../../tenancy/actor.ts';
import { LogSearch } from './log-search.ts';
import { cursorOf, timeInput, wholeNumber } from './paging.ts';
import { RequestDetails, requestDetails } from './request-details.ts';
import { renderRequest, requestRow } from './request-row.ts';
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

export const requestQuery = z.object({
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
  text: text.describe(
    'A text within logged prompts and responses, in any case: finds only requests of tenants with a request log.',
  ),
  min_duration_ms: wholeNumber(0, 1e12).optional(),
  limit: wholeNumber(1, MAX_LIMIT)
    .default(DEFAULT_LIMIT)
    .describe(`Maximum number of items. Default: ${DEFAULT_LIMIT}; maximum: ${MAX_LIMIT}.`),
  after: z.string().max(500).optional().describe('The `next` of the previous page.'),
});
type RequestsQuery = z.output<typeof requestQuery>;

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
  const { access, clock, auditQueue } = services;
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
      handle: async ({ actor, params, query, by }) => {
        const id = params.id ?? '';
        const tenants = visibleTenants(actor, access, 'requests:read', query);
        const sees = (tenant: string, member: string | null | undefined) =>
          isAllowed(actor, 'requests:read', tenant) || (member != null && member === actor.member);
        const found = await details.find(id, tenants.slice(0, MAX_TENANTS), sees);
        if (found) {
          if (found.messages && found.user !== actor.member) {
            await auditQueue.record(found.tenant, by, 'request_log.read', `request:${found.id}`);
          }
          return { body: found };
        }
        throw new GatewayError(
          'not_found',
          `Request "${id.slice(0, 128)}" is not kept, or is not yours to see.`,
        );
      },
    }),
  ];
}

interface Row extends RequestPlace {
  readonly shown: z.output<typeof requestRow>;
}

/** One page of all tenants: each is asked for a whole page, of which the newest are shown. */
async function list(
  { requests, requestLog }: AdminServices,
  tenants: readonly VisibleTenant[],
  query: RequestsQuery,
  now: number,
) {
  const { limit } = query;
  const range = { from: query.from ?? now - DAY_MS, to: query.to ?? now + 1 };
  const after = cursorOf(place, query.after);
  const search = new LogSearch(requestLog.store, requestLog.keys);
  const rows: Row[] = [];
  /** Where the search of a tenant ended, where it has more: nothing after the first of them is shown. */
  const ends: RequestPlace[] = [];
  let isPartial = false;
  const next = tenants.values();
  const worker = async () => {
    for (const { tenant, user } of next) {
      const filter = filterOf(query, user);
      const wanted = { ...range, filter, after, limit };
      if (query.text !== undefined) {
        // The place of a logged request is its row's, which is unique too.
        const page = await search.page({ tenant }, wanted, query.text);
        for (const { row, summary } of page.contents) {
          rows.push({ at: Date.parse(summary.at), id: row, shown: summary });
        }
        if (page.next) ends.push(page.next);
        isPartial ||= page.isPartial;
        continue;
      }
      const page = await requests.list({ tenant }, wanted);
      for (const request of page.requests) {
        rows.push({ at: request.main.at, id: request.main.id, shown: renderRequest(tenant, request) });
      }
      if (page.next) ends.push(page.next);
      isPartial ||= page.isPartial;
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, tenants.length) }, worker));
  const [end] = ends.toSorted(order);
  const sorted = rows.filter((row) => !end || order(row, end) <= 0).sort(order);
  const shown = sorted.slice(0, limit);
  const last = shown.at(-1);
  const isCut = sorted.length > limit;
  const following = isCut && last ? { at: last.at, id: last.id } : end;
  return {
    object: 'list' as const,
    data: shown.map((row) => row.shown),
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
