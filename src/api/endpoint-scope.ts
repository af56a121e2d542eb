import { GatewayError } from '../core/errors.ts';
import { matchesAny } from '../core/model-scope.ts';
import type { Principal } from '../core/principal.ts';
import type { HttpContext } from '../http/http-context.ts';

/** The endpoints that queue requests with `Prefer: respond-async`. Others ignore the preference, as RFC 7240 says. */
export const ASYNC_ENDPOINTS: ReadonlySet<string> = new Set([
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/responses',
  '/v1/messages',
  '/v1/embeddings',
  '/v1/rerank',
]);
/** Where clients see the requests that they queued. */
export const ASYNC_ROUTE = '/v1/async/:async';

/** @throws GatewayError `permission_denied` when a key is not for this endpoint */
export function assertEndpointAllowed(principal: Principal, { request, route }: HttpContext): Principal {
  const { scopes, tenant } = principal;
  request.chargeTo(tenant);
  const { endpoints } = scopes ?? {};
  if (!endpoints || matchesAny(endpoints, route)) return principal;
  // Keys that may queue a request may see it: the handler looks at its endpoint.
  if (route === ASYNC_ROUTE && [...ASYNC_ENDPOINTS].some((one) => matchesAny(endpoints, one)))
    return principal;
  throw new GatewayError('permission_denied', 'This API key may not be used at this endpoint.');
}
