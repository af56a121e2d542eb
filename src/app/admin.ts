import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ConfigOperations } from '../api/admin/config-operations.ts';
import type { AdminServices } from '../api/admin/services.ts';
import type { CacheOperations } from '../api/cache.ts';
import type { ApiServices } from '../api/services.ts';
import { BatchResults } from '../batches/batch-results.ts';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../core/errors.ts';
import { limitOf } from '../core/limit-schema.ts';
import { clientAddress } from '../http/client-address.ts';
import { assertBudgetsNotSpent, ownerLimits } from '../limits/budget-check.ts';
import type { Metrics } from '../observability/metrics.ts';
import { SqlMetricStore } from '../storage/sql/metric-store.ts';
import { SqlRequestStore } from '../storage/sql/request-store.ts';
import { AuditChecks, type AuditChecksOptions } from '../tenancy/audit-checks.ts';
import { AuditTrails } from '../tenancy/audit-trails.ts';
import type { BatchServices } from './batches.ts';
import type { DurableEvents } from './durable-events.ts';
import type { RegionParts } from './regions.ts';
import type { RequestLogParts } from './request-log.ts';
import { assertResidency, serverForTenant } from './residency-rules.ts';
import type { Stores } from './stores.ts';
import type { UsageParts } from './usage.ts';

export interface AdminParts {
  readonly config: () => Config;
  readonly cache: CacheOperations;
  readonly operations: ConfigOperations;
  readonly requestLog: RequestLogParts;
  readonly regions: RegionParts;
  readonly metrics: Pick<Metrics, 'readLosses'>;
  readonly anchorOf: AuditChecksOptions['anchorOf'];
  readonly billing: AdminServices['billing'];
  readonly alerts: AdminServices['alerts'];
  readonly reports: AdminServices['reports'];
  readonly exports: AdminServices['exports'];
  readonly durableEvents: Pick<DurableEvents, 'reader' | 'webhooks'>;
  readonly work: Pick<BatchServices, 'batches' | 'files'>;
  readonly queue: AdminServices['queue'];
}

/** Builds what the admin API's handlers use. */
export function createAdminServices(
  stores: Stores,
  { usage, limiter, reconciler }: UsageParts,
  services: ApiServices,
  {
    config,
    cache,
    operations,
    requestLog,
    metrics,
    regions,
    anchorOf,
    billing,
    alerts,
    reports,
    exports,
    durableEvents,
    work: { batches, files },
    queue,
  }: AdminParts,
): AdminServices {
  const { access, tenants, keys, members, invitations, users, sessions, prompts, control, databases } =
    stores;
  const { clock } = services;
  return {
    ...{
      clock,
      access,
      tenants,
      keys,
      members,
      invitations,
      users,
      sessions,
      prompts,
      usage,
      limiter,
      cache,
    },
    config: operations,
    ...{ control, batches, files, queue, asyncRequests: services.asyncRequests },
    batchResults: new BatchResults(databases, files),
    billing,
    alerts,
    reports,
    exports,
    events: durableEvents.reader,
    outbox: stores.outbox,
    ...{ webhooks: durableEvents.webhooks.webhooks, webhookDeliveries: durableEvents.webhooks.deliveries },
    audit: new AuditTrails(control, databases),
    auditChecks: new AuditChecks({ clock, control, databases, anchorOf, nextTurn: () => nextTurn() }),
    metrics: new SqlMetricStore(databases),
    auditQueue: services.auditQueue,
    requests: new SqlRequestStore(databases),
    requestLog: { ...requestLog, flush: () => requestLog.writer.flush() },
    operation: {
      ...{ states: services.states, engines: services.engines, writes: services.writes },
      losses: () => metrics.readLosses(),
    },
    recent: services.requests,
    snapshot: services.snapshot,
    regions: () => regions.view(),
    idempotency: stores.idempotency,
    tiers: () => Object.keys(config().limits.tiers),
    tierLimits: () =>
      new Map(
        Object.entries(config().limits.tiers).map(([name, documents]) => [name, documents.map(limitOf)]),
      ),
    defaultTier: () => config().limits.default_tier,
    servers: () => config().storage.servers.map(({ id }) => id),
    serverFor: (server, residency) => serverForTenant(config(), server, residency),
    assertResidency: (residency, server) => assertResidency(config(), residency, server),
    bodyLimit: services.bodyLimit,
    permitted: services.callers.permitted,
    addressOf: (httpContext) => clientAddress(httpContext, services.snapshot().isProxy),
    assertBudgets: async ({ tenant }, subject, documents) => {
      const timeZone = access.tenant(tenant)?.document.time_zone ?? 'UTC';
      const owner = { tenant, subject, timeZone };
      // A limit that is new starts from what was used in its period.
      await reconciler.seed(tenant, [ownerLimits(owner, documents)]);
      await assertBudgetsNotSpent(limiter, owner, documents);
    },
    assertGuardrails: async (documents) => {
      if (!documents || documents.length === 0) return;
      await services
        .snapshot()
        .guardrails.compile(documents, 'tenant')
        .catch((error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error);
          throw new GatewayError('invalid_request', reason, { param: 'guardrails' });
        });
    },
    newId: stores.sources.newId,
  };
}
