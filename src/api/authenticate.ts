import { GatewayError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import { clientAddress } from '../http/client-address.ts';
import type { Exchange } from '../http/exchange.ts';
import { presentedKey } from '../tenancy/access-list.ts';
import type { ApiServices } from './services.ts';

/**
 * Who a request acts for.
 * @throws GatewayError `missing_api_key`, `invalid_api_key` or `permission_denied`
 */
export function authenticate({ access, snapshot }: ApiServices, exchange: Exchange): Principal {
  const principal = access.authenticate(presentedKey(exchange.request.headers), () =>
    clientAddress(exchange, snapshot().isProxy),
  );
  const { scopes } = principal;
  if (scopes?.endpoints && !matchesAny(scopes.endpoints, exchange.route)) {
    throw new GatewayError('permission_denied', 'This API key may not be used at this endpoint.');
  }
  return principal;
}

/**
 * @param model as the client named it, or what it resolved to: either may be allowed
 * @throws GatewayError `permission_denied` when the key is not for this model
 */
export function assertModelAllowed({ scopes }: Principal, ...names: readonly string[]): void {
  const { models } = scopes ?? {};
  if (!models || names.some((name) => matchesAny(models, name))) return;
  throw new GatewayError(
    'permission_denied',
    `This API key may not use the model "${names[0]?.slice(0, 200)}"; it may use: ${models.join(', ').slice(0, 500) || 'none'}.`,
    { param: 'model' },
  );
}

/** `*` at the end of a pattern stands for anything. */
export function matchesAny(patterns: readonly string[], value: string): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : value === pattern,
  );
}
