import { GatewayError } from '../core/errors.ts';
import type { HeaderReader } from '../core/http.ts';
import { type Actor, assertAllowed, assertTenantVisible } from '../tenancy/actor.ts';
import { keyFromRequest } from '../tenancy/request-key.ts';
import { type ActorStores, actorOf, sessionFromRequest } from './admin/actor-of.ts';
import { authenticate } from './authenticate.ts';
import type { Callers } from './callers.ts';
import { clientErrorOf } from './client-error.ts';
import type { ApiServices } from './services.ts';
import { sessionPrincipal, usesSession } from './session-principal.ts';

/** Builds the ways of admitting callers. @param services read at each request */
export function createCallers(services: () => ApiServices, stores: ActorStores): Callers {
  const permitted: Callers['permitted'] = (permission) => ({
    name: permission ?? 'signed in',
    residencyOf: ({ params: { tenant } }) =>
      tenant === undefined ? undefined : stores.access.tenant(tenant)?.residency,
    admit: async (httpContext) => {
      const { tenant } = httpContext.params;
      const actor = await actorOf(services(), stores, httpContext);
      httpContext.request.chargeTo(actor.id);
      if (tenant !== undefined) assertTenantVisible(actor, tenant, stores.access.tenant(tenant)?.status);
      if (permission !== null) assertAllowed(actor, permission, tenant);
      return actor;
    },
  });
  return {
    permitted,
    anyoneOr: (permission) => {
      const { admit } = permitted(permission);
      return {
        name: `anyone, more with ${permission}`,
        admit: (httpContext) =>
          presentsCredential(httpContext.request.headers) ? orAnonymous(admit(httpContext)) : undefined,
      };
    },
    key: {
      name: 'api key',
      residencyOf: (_, { residency }) => residency,
      admit: (httpContext) =>
        usesSession(httpContext)
          ? sessionPrincipal(services(), stores, httpContext)
          : authenticate(services(), httpContext),
    },
    adminKey: {
      name: 'admin key',
      admit: async (httpContext) => {
        const principal = await authenticate(services(), httpContext);
        if (principal.kind === 'admin') return principal;
        throw new GatewayError(
          'permission_denied',
          'This needs an admin key. Metrics need no key at the metrics port.',
        );
      },
    },
  };
}

function presentsCredential(headers: HeaderReader): boolean {
  return keyFromRequest(headers) !== undefined || sessionFromRequest(headers) !== undefined;
}

/** @returns undefined for a caller who is not admitted */
async function orAnonymous(actor: Actor | Promise<Actor>): Promise<Actor | undefined> {
  try {
    return await actor;
  } catch (error) {
    // An unreachable database, too: health checks must not fail with it.
    if (clientErrorOf(error) instanceof GatewayError) return undefined;
    throw error;
  }
}
