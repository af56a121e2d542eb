import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../http/exchange.ts';
import { jsonResponse } from '../../http/response.ts';
import { authenticate } from '../authenticate.ts';
import type { ApiServices } from '../services.ts';

/** @throws GatewayError unless the request carries an admin key */
export function assertAdmin(services: ApiServices, exchange: Exchange): void {
  if (authenticate(services, exchange).kind !== 'admin') {
    throw new GatewayError('permission_denied', 'This needs the admin key.');
  }
}

/** A body for an operator. */
export function adminJson({ request }: Exchange, body: unknown): Promise<Response> | Response {
  return jsonResponse(request, 200, JSON.stringify(body), {});
}
