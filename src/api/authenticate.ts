import { GatewayError } from '../core/errors.ts';
import { matchesAny } from '../core/model-scope.ts';
import type { Principal } from '../core/principal.ts';
import { clientAddress } from '../http/client-address.ts';
import type { HttpContext } from '../http/http-context.ts';
import { sha256Hex } from '../platform/hash.ts';
import { keyFromRequest, missingKey } from '../tenancy/request-key.ts';
import { type TokenSubject, Tokens } from '../tenancy/tokens.ts';
import { assertEndpointAllowed } from './endpoint-scope.ts';
import type { ApiServices } from './services.ts';

/**
 * Identifies the principal of a request: synchronously for keys and known tokens, otherwise after verifying the token.
 * @throws GatewayError `missing_api_key`, `invalid_api_key`, `permission_denied`, or `rate_limit_exceeded` after too many
 *   wrong keys from the client's address
 */
export function authenticate(
  services: ApiServices,
  httpContext: HttpContext,
): Principal | Promise<Principal> {
  const { access, snapshot, tokens, credentials } = services;
  const secret = keyFromRequest(httpContext.request.headers);
  const address = () => clientAddress(httpContext, snapshot().isProxy);
  if (secret === undefined) throw missingKey(httpContext.request.headers);
  if (!Tokens.isToken(secret)) {
    // Known keys first: they need no look at the failures of their address.
    const known = access.known(secret, address);
    if (known) return assertEndpointAllowed(known, httpContext);
    const key = {
      client: services.clientOf(httpContext),
      kind: 'key',
      fingerprint: sha256Hex(secret),
    } as const;
    return assertEndpointAllowed(
      credentials.run(key, () => access.authenticate(secret, address)),
      httpContext,
    );
  }
  const principalOf = (subject: TokenSubject) =>
    assertEndpointAllowed(
      subject.kind === 'key'
        ? access.principalOf(subject.tenant, subject.keyId, address)
        : access.principalOfTenant(subject.tenant, subject.id, subject.name),
      httpContext,
    );
  const known = tokens.known(secret);
  if (known) return principalOf(known);
  const token = {
    client: services.clientOf(httpContext),
    kind: 'token',
    fingerprint: sha256Hex(secret),
  } as const;
  return credentials.runAsync(token, () => tokens.verify(secret).then(principalOf));
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
