import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { queryFields, queryOf } from '../../http/query.ts';
import { eventStreamResponse } from '../../http/response.ts';
import { NO_BODY, type RoutePolicy } from '../../http/route-policy.ts';
import type { AccessList } from '../../tenancy/access-list.ts';
import { type Actor, isAllowed } from '../../tenancy/actor.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';
import { LiveStream } from './live-stream.ts';
import { visibleTenants } from './visible-tenants.ts';

const text = z.string().min(1).max(400).optional();
export const liveQuery = z.object({
  ...{ tenant: z.string().max(63).optional(), user: text, key: text, model: text, provider: text },
  errors: z.enum(['true', 'false']).optional().describe('Only requests that ended with an error status.'),
});

/** Adds `GET /admin/v1/live`: completed requests and totals of each second, as server-sent events. */
export function addLiveRoute(
  router: HttpRouter,
  { callers, clock, live }: ApiServices,
  access: Pick<AccessList, 'tenant' | 'tenants'>,
): void {
  const policy: RoutePolicy<Actor> = { access: callers.permitted(null), body: NO_BODY };
  router.route('GET', '/admin/v1/live', policy, (httpContext, actor) => {
    const query = validate(liveQuery, queryFields(queryOf(httpContext.request)));
    // Throws where the actor may not see what it asks for.
    const visible = visibleTenants(actor, access, 'requests:read', query);
    const users = new Map(visible.map(({ tenant, user }) => [tenant, user]));
    const isEvery = actor.platform && query.tenant === undefined;
    const sees = (tenant: string, member: string | undefined) => {
      // Tenants that are created later are seen too.
      if (isEvery) return query.user === undefined || query.user === member;
      if (!users.has(tenant) || access.tenant(tenant)?.status === 'deleted') return false;
      const user = users.get(tenant);
      if (user !== undefined) return user === member;
      return actor.platform || isAllowed(actor, 'requests:read', tenant);
    };
    if (!isEvery && visible.length === 0) {
      throw new GatewayError('permission_denied', 'You are a member of no tenant.');
    }
    const { key, model, provider, errors } = query;
    const filter = { key, model, provider, errorsOnly: errors === 'true' };
    const stream = new LiveStream(live, actor.id, sees, filter, () => clock.wallTime());
    return eventStreamResponse(stream.body, {});
  });
}
