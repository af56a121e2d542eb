import { actorOf } from '../api/admin/actor-of.ts';
import type { AdminServices } from '../api/admin/services.ts';
import type { ApiServices } from '../api/services.ts';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../core/errors.ts';
import { LIMIT_SCOPES, type SubjectLimits } from '../core/limit.ts';
import { amountOfNano, type LimitDocument, limitOf } from '../core/limit-schema.ts';
import { clientAddress } from '../http/client-address.ts';
import { isUnavailable } from '../storage/sql/postgres-server.ts';
import { UnknownTenantError } from '../storage/sql/tenant-databases.ts';
import { assertAllowed, noSuchTenant } from '../tenancy/actor.ts';
import { AuditTrails } from '../tenancy/audit-trails.ts';
import { IdempotentAnswers } from '../tenancy/idempotency.ts';
import type { Stores } from './stores.ts';
import type { UsageParts } from './usage.ts';

/** Whose limits are checked, as the gateway counts them. */
function subjectsOf(
  tenant: string,
  subject: string,
  documents: readonly LimitDocument[],
  timeZone: string,
): SubjectLimits[] {
  const match = /^(user|key|tag)\/(.*)$/s.exec(subject);
  const scope = LIMIT_SCOPES.find((one) => one === match?.[1]) ?? 'tenant';
  const id = `${tenant}/${match?.[2] ?? ''}`;
  return [{ scope, id, name: subject, limits: documents.map(limitOf), timeZone }];
}

/** What the admin API works with. */
export function createAdminServices(
  stores: Stores,
  { usage, limiter }: UsageParts,
  services: ApiServices,
  config: () => Config,
): AdminServices {
  const { access, tenants, keys, members, invitations, users, sessions, control, databases, box } = stores;
  const { clock } = services;
  const admin: AdminServices = {
    ...{ clock, access, tenants, keys, members, invitations, users, sessions, usage, limiter },
    audit: new AuditTrails(control, databases),
    idempotency: new IdempotentAnswers(control, box, clock),
    tiers: () => Object.keys(config().limits.tiers),
    tierLimits: () =>
      new Map(
        Object.entries(config().limits.tiers).map(([name, documents]) => [name, documents.map(limitOf)]),
      ),
    defaultTier: () => config().limits.default_tier,
    servers: () => config().storage.servers.map(({ id }) => id),
    bodyLimit: () => services.snapshot().bodyLimit,
    actorOf: (exchange) => actorOf(services, { sessions, users, access }, exchange),
    addressOf: (exchange) => clientAddress(exchange, services.snapshot().isProxy),
    assertTenant: (actor, tenant) => {
      const known = access.tenant(tenant);
      if (!known || known.status === 'deleted') throw noSuchTenant();
      // Tells who does not belong to it the same as when there is none.
      if (!actor.platform && !actor.roles.has(tenant)) assertAllowed(actor, 'tenant:read', tenant);
    },
    assertBudgets: async ({ tenant }, subject, documents) => {
      const timeZone = access.tenant(tenant)?.document.time_zone ?? 'UTC';
      for (const one of subjectsOf(tenant, subject, documents, timeZone)) {
        for (const { counter, counterState } of await limiter.counterStates([one])) {
          const { of, per, max, mode } = counter.limit;
          if (of !== 'cost' || mode !== 'enforce' || counterState <= max) continue;
          throw new GatewayError(
            'invalid_request',
            `A budget of ${amountOfNano(max)} US dollars per ${per} is below what is spent already: ${amountOfNano(counterState)}. Set a higher one, or suspend what must stop.`,
            { param: 'limits' },
          );
        }
      }
    },
    newId: stores.sources.newId,
    asClientError: (error) => {
      if (error instanceof UnknownTenantError) return noSuchTenant();
      if (!isUnavailable(error)) return error;
      return new GatewayError(
        'store_unavailable',
        'The database can not be reached, so nothing can be read or changed now. Requests for models go on.',
        { cause: error, retryAfterSeconds: 5 },
      );
    },
  };
  return admin;
}
