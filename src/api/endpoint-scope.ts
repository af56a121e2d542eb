import { GatewayError } from '../core/errors.ts';
import { matchesAny } from '../core/model-scope.ts';
import type { Principal } from '../core/principal.ts';
import type { HttpContext } from '../http/http-context.ts';

/** @throws GatewayError `permission_denied` when a key is not for this endpoint */
export function assertEndpointAllowed(principal: Principal, { request, route }: HttpContext): Principal {
  const { scopes, tenant } = principal;
  request.chargeTo(tenant);
  if (!scopes?.endpoints || matchesAny(scopes.endpoints, route)) return principal;
  throw new GatewayError('permission_denied', 'This API key may not be used at this endpoint.');
}
