import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../http/exchange.ts';
import { jsonResponse } from '../../http/response.ts';
import { type KeyRing, presentedKey } from '../../tenancy/key-ring.ts';

/** @throws GatewayError unless the request carries an admin key */
export function assertAdmin(keys: KeyRing, { request }: Exchange): void {
  if (keys.authenticate(presentedKey(request.headers)).kind !== 'admin') {
    throw new GatewayError('permission_denied', 'This needs the admin key.');
  }
}

/** A body for an operator. */
export function adminJson({ request }: Exchange, body: unknown): Promise<Response> | Response {
  return jsonResponse(request, 200, JSON.stringify(body), {});
}
