import { GatewayError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { HttpContext } from '../http/http-context.ts';
import { assertAllowed, assertTenantVisible } from '../tenancy/actor.ts';
import { keyFromRequest } from '../tenancy/request-key.ts';
import {
  type ActorStores,
  actorOfAdminKey,
  actorOfUser,
  sessionFromRequest,
  signedIn,
} from './admin/actor-of.ts';
import type { ApiServices } from './services.ts';

/**
 * Names the tenant that a signed-in caller uses models in. No page of another origin can send it, which is why a session is
 * accepted only with it: a link must not spend money.
 */
export const TENANT_HEADER = 'x-weir-tenant';

/** Whether a request has no API key, but a session and the tenant that it is to be used in. */
export function usesSession({ request: { headers } }: HttpContext): boolean {
  return (
    headers.has(TENANT_HEADER) &&
    keyFromRequest(headers) === undefined &&
    sessionFromRequest(headers) !== undefined
  );
}

/**
 * The principal of a signed-in caller that sends requests to models, as the playground of the console does. Members have
 * their limits and those of the tenant; platform administrators have the tenant's.
 * @throws GatewayError as `signedIn`; `not_found` for a tenant that the caller does not belong to, `permission_denied` for one
 *   whose role there does not send requests
 */
export async function sessionPrincipal(
  services: ApiServices,
  stores: ActorStores,
  httpContext: HttpContext,
): Promise<Principal> {
  const { user, key } = await signedIn(services, stores, httpContext);
  const tenant = httpContext.request.headers.get(TENANT_HEADER) ?? '';
  const actor = user ? actorOfUser(user, stores.access) : actorOfAdminKey(key);
  assertTenantVisible(actor, tenant, stores.access.tenant(tenant)?.status);
  assertAllowed(actor, 'inference:use', tenant);
  httpContext.request.chargeTo(tenant);
  const id = `console:${actor.id}`;
  if (!user) return services.access.principalOfTenant(tenant, id, 'console');
  if (services.access.member(tenant, user.id)) {
    return services.access.principalOfTenant(tenant, id, 'console', user.id);
  }
  if (user.platformAdmin) return services.access.principalOfTenant(tenant, id, 'console');
  throw new GatewayError('permission_denied', 'You are not an active member of this tenant.');
}
