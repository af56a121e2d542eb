import type { HttpResponse } from '../../core/http.ts';
import type { Principal } from '../../core/principal.ts';
import { clientAddress } from '../../http/client-address.ts';
import type { HttpContext } from '../../http/http-context.ts';
import { jsonResponse } from '../../http/response.ts';
import { NO_BODY, type RoutePolicy, SMALL_BODY } from '../../http/route-policy.ts';
import type { Actor } from '../../tenancy/actor.ts';
import type { ChangeContext } from '../../tenancy/change-context.ts';
import type { ApiServices } from '../services.ts';

/** A key as the actor of what its request does; it shows who, and permits nothing. */
export function keyActor({ kind, keyId, keyName, member }: Principal): Actor {
  return { id: `key:${keyId}`, name: keyName, platform: kind === 'admin', roles: new Map(), member };
}

/** The origin of an operator's action, for the audit trail. */
export function changeContext(
  { snapshot }: ApiServices,
  httpContext: HttpContext,
  actor: Actor,
): ChangeContext {
  const address = clientAddress(httpContext, snapshot().isProxy);
  return { actor, address, requestId: httpContext.requestId };
}

/** A body for an operator. */
export function adminJson({ request }: HttpContext, body: unknown): Promise<HttpResponse> | HttpResponse {
  return jsonResponse(request, 200, JSON.stringify(body), {});
}

/** The policies of routes for operators: one to see the state of the gateway, one to change it. */
export function operatorPolicies({ callers }: ApiServices): Record<'read' | 'write', RoutePolicy<Actor>> {
  return {
    read: { access: callers.permitted('platform:read'), body: NO_BODY },
    write: { access: callers.permitted('platform:write'), body: SMALL_BODY },
  };
}
