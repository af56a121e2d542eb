import type { EventBus } from '../events/event-bus.ts';
import type { Metrics } from '../observability/metrics.ts';

/** Label of the platform's own audit trail: tenants' ids have no space. */
const PLATFORM_TRAIL = 'the platform';

/** Counts events. Metrics of every request are updated directly, without an event. */
export function subscribeMetrics(events: EventBus, metrics: Metrics): void {
  events.subscribe('metrics', {
    'config.reloaded': () => metrics.configReloads.labels('applied').inc(),
    'config.rejected': () => metrics.configReloads.labels('rejected').inc(),
    'auth.failed': ({ credential, throttled }) =>
      metrics.authFailures.labels(credential, String(throttled)).inc(),
    'limit.hit': ({ scope, mode, refused }) => {
      if (refused) metrics.rateLimited.labels(scope).inc();
      else metrics.limitsPassed.labels(scope, mode).inc();
    },
    'limit_store.lost': () => metrics.limitStoreLost.labels().set(1),
    'limit_store.restored': () => metrics.limitStoreLost.labels().set(0),
    'limit_store.reservations_expired': ({ count }) => metrics.reservationsLost.labels().inc(count),
    'data.deleted': ({ kind, count }) => metrics.dataDeleted.labels(kind).inc(count),
    'audit.anchored': ({ tenant, sequence, hash }) => {
      metrics.auditSequence.labels(tenant ?? PLATFORM_TRAIL).set(sequence);
      metrics.auditHash.labels(tenant ?? PLATFORM_TRAIL).set(Number.parseInt(hash.slice(0, 12), 16));
    },
    'usage.lost': ({ count }) => metrics.usageLost.labels().inc(count),
    'engine.loaded': ({ engine }) => metrics.engineLoads.labels(engine).inc(),
    'engine.failed': ({ engine }) => metrics.engineFailures.labels(engine).inc(),
  });
}
