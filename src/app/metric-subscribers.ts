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
      metrics.http.authFailures.labels(credential, String(throttled)).inc(),
    'limit.hit': ({ scope, mode, refused }) => {
      if (refused) metrics.limits.rejected.labels(scope).inc();
      else metrics.limits.passed.labels(scope, mode).inc();
    },
    'limit_store.lost': () => metrics.limits.storeLost.labels().set(1),
    'limit_store.restored': () => metrics.limits.storeLost.labels().set(0),
    'limit_store.reservations_expired': ({ count }) => metrics.limits.reservationsLost.labels().inc(count),
    'data.deleted': ({ kind, count }) => metrics.storage.deleted.labels(kind).inc(count),
    'audit.anchored': ({ tenant, sequence, hash }) => {
      metrics.losses.auditSequence.labels(tenant ?? PLATFORM_TRAIL).set(sequence);
      metrics.losses.auditHash.labels(tenant ?? PLATFORM_TRAIL).set(Number.parseInt(hash.slice(0, 12), 16));
    },
    'export.sent': ({ export: id, count, lag }) => {
      metrics.exports.sent.labels(id).inc(count);
      metrics.exports.lag.labels(id).set(lag / 1_000);
    },
    'export.dropped': ({ export: id, count }) => metrics.exports.dropped.labels(id).inc(count),
    'export.failed': ({ export: id, lag }) => {
      metrics.exports.failures.labels(id).inc();
      metrics.exports.lag.labels(id).set(lag / 1_000);
    },
    'usage.lost': ({ count }) => metrics.losses.usageLost.labels().inc(count),
    'responses.dropped': ({ count }) => metrics.losses.responsesLost.labels().inc(count),
    'request_log.dropped': ({ count }) => metrics.losses.loggedLost.labels().inc(count),
    'engine.loaded': ({ engine }) => metrics.gpus.engineLoads.labels(engine).inc(),
    'engine.failed': ({ engine }) => metrics.gpus.engineFailures.labels(engine).inc(),
  });
}
