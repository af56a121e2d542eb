import { z } from 'zod';
import { type AsyncRequest, asyncRequestOf } from '../../async/async-request.ts';
import { parseJsonText } from '../../core/json.ts';
import { dollarsOfPico } from '../../metering/price.ts';
import { listAllAsync } from '../../storage/sql/work-lists.ts';
import { type Actor, isAllowed } from '../../tenancy/actor.ts';
import { listOf, time, timeOrNull } from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';
import { assertOwnOr, isOwn, pageOfWork, workPage, workQuery } from './work-owner.ts';

const STATUSES = ['pending', 'running', 'succeeded', 'failed', 'cancelled'] as const;

const queuedRequest = z
  .object({
    id: z.string(),
    tenant: z.string(),
    key: z.string().describe('Id of the key that queued it.'),
    key_name: z.string().describe('Its name then.'),
    user: z.string().nullable().describe('Id of the member who queued it; null for a key without a member.'),
    endpoint: z.string(),
    model: z.string(),
    status: z.enum(STATUSES),
    http_status: z.int().nullable().describe('Of the response; null until there is one.'),
    error: z.string().nullable().describe('Code of the error; null without one.'),
    cost_usd: z.string().nullable().describe('Of all its runs; null where it is unknown.'),
    created_at: z.string(),
    started_at: z.string().nullable(),
    ended_at: z.string().nullable(),
    expires_at: z
      .string()
      .describe('When it fails unless it has run; of one that has ended, when its response is deleted.'),
  })
  .meta({ id: 'QueuedRequest' });

const queuedContent = z
  .object({
    request: z.unknown().describe('The body that the client sent; null where it was deleted.'),
    response: z
      .object({ status: z.int(), headers: z.record(z.string(), z.string()), body: z.unknown() })
      .nullable()
      .describe('Null until there is one, and where it was deleted.'),
  })
  .meta({ id: 'QueuedRequestContent' });

function shown(request: AsyncRequest): z.output<typeof queuedRequest> {
  const { id, tenant, keyId, caller, member, endpoint, model, status, httpStatus, errorCode } = request;
  const { costPico, createdAt, startedAt, endedAt, deadlineAt, deleteAt } = request;
  return {
    ...{ id, tenant, key: keyId, key_name: caller.name, user: member, endpoint, model, status },
    ...{ http_status: httpStatus, error: errorCode },
    cost_usd: costPico === null ? null : dollarsOfPico(costPico),
    ...{ created_at: time(createdAt), started_at: timeOrNull(startedAt), ended_at: timeOrNull(endedAt) },
    expires_at: time(deleteAt ?? deadlineAt),
  };
}

/** A text is shown as JSON where it is JSON. */
const jsonOr = (text: string): unknown => parseJsonText(text) ?? text;

/** Routes with requests that were sent with `Prefer: respond-async`. */
export function asyncRequestRoutes(services: AdminServices): RegisteredRoute[] {
  const { access, asyncRequests, clock, control, auditQueue } = services;
  const base = '/admin/v1/tenants/:tenant/async-requests/:async';
  /** Of someone else, a request is found with the permission only. */
  const find = (actor: Actor, tenant: string, id: string | undefined): Promise<AsyncRequest> =>
    asyncRequests.get(
      tenant,
      id ?? '',
      (request) => isOwn(actor, request) || isAllowed(actor, 'requests:read', tenant),
    );
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/async-requests',
      permission: null,
      summary: 'List requests that were queued with `Prefer: respond-async`, the latest first',
      description:
        'Until they are deleted, a day after they ended by default. Members without the permission `requests:read` see their own.',
      ...NO_BODY,
      query: z.object({
        ...workQuery,
        status: z.enum(STATUSES).optional(),
        model: z.string().min(1).max(400).optional(),
      }),
      response: listOf(queuedRequest, 'QueuedRequestList'),
      handle: async ({ actor, query }) => {
        const { status, model, limit } = query;
        const wanted = { ...workPage(actor, access, 'requests:read', query), status, model };
        const rows = await listAllAsync(control, wanted, clock.wallTime());
        return { body: pageOfWork(rows.map(asyncRequestOf), limit, shown) };
      },
    }),
    adminRoute({
      method: 'GET',
      path: base,
      permission: 'tenant:read',
      summary: 'Get a queued request, without its content',
      description: 'Members without the permission `requests:read` see their own.',
      ...NO_INPUT,
      response: queuedRequest,
      handle: async ({ actor, scope, params }) => ({
        body: shown(await find(actor, scope.tenant, params.async)),
      }),
    }),
    adminRoute({
      method: 'GET',
      path: `${base}/content`,
      permission: 'tenant:read',
      summary: 'Get what a queued request sent, and its response',
      description:
        'Members without the permission `requests:read` see their own. Reading the content of someone else becomes an entry of the audit trail.',
      ...NO_INPUT,
      response: queuedContent,
      handle: async ({ actor, scope, params, by }) => {
        const request = await find(actor, scope.tenant, params.async);
        const content = await asyncRequests.contentOf(request);
        if (!isOwn(actor, request)) {
          await auditQueue.record(scope.tenant, by, 'async_request.read', `async_request:${request.id}`);
        }
        const response = content?.response;
        return {
          body: {
            request: content ? jsonOr(content.request) : null,
            response: response ? { ...response, body: jsonOr(response.body) } : null,
          },
        };
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: base,
      permission: 'tenant:read',
      summary: 'Cancel a queued request, and delete its content',
      description: 'Needs the permission `limits:write` for a request of someone else.',
      ...NO_INPUT,
      response: queuedRequest,
      handle: async ({ actor, scope, params, by }) => {
        const request = await find(actor, scope.tenant, params.async);
        assertOwnOr('limits:write', actor, request);
        const cancelled = (await asyncRequests.cancel(request)) ?? request;
        await auditQueue.record(scope.tenant, by, 'async_request.cancel', `async_request:${request.id}`, {
          status: cancelled.status,
        });
        return { body: shown(cancelled) };
      },
    }),
  ];
}
