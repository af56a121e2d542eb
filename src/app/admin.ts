import { actorOf } from '../api/admin/actor-of.ts';
import type { AdminServices } from '../api/admin/services.ts';
import type { ApiServices } from '../api/services.ts';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../core/errors.ts';
import { limitOf } from '../core/limit-schema.ts';
import { clientAddress } from '../http/client-address.ts';
import { isUnavailable } from '../storage/sql/postgres-server.ts';
import { UnknownTenantError } from '../storage/sql/tenant-databases.ts';
import { assertAllowed, noSuchTenant } from '../tenancy/actor.ts';
import { AuditTrails } from '../tenancy/audit-trails.ts';
import { IdempotentAnswers } from '../tenancy/idempotency.ts';
import type { Stores } from './stores.ts';

/** What the admin API works with. */
export function createAdminServices(
  stores: Stores,
  services: ApiServices,
  config: () => Config,
): AdminServices {
  const { access, tenants, keys, members, invitations, users, sessions, control, databases, box } = stores;
  const { clock } = services;
  const admin: AdminServices = {
    ...{ clock, access, tenants, keys, members, invitations, users, sessions },
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
    assertBudgets: async () => undefined,
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
