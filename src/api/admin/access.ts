import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../http/exchange.ts';
import { type KeyRing, presentedKey } from '../../tenancy/key-ring.ts';

/** @throws GatewayError unless the request carries an admin key */
export function assertAdmin(keys: KeyRing, { request }: Exchange): void {
  if (keys.authenticate(presentedKey(request.headers)).kind !== 'admin') {
    throw new GatewayError('permission_denied', 'This needs the admin key.');
  }
}
