import type { EventBus } from '../events/event-bus.ts';
import { derivedEventId } from '../events/event-id.ts';
import type { EventRecorder } from '../events/event-recorder.ts';

/** Stores what this process reports as durable events. */
export function recordProcessEvents(events: EventBus, recorder: Pick<EventRecorder, 'record'>): void {
  const tenant = null;
  events.subscribe('event recorder', {
    'target.ejected': (data) => recorder.record({ type: 'target.ejected', tenant, data }),
    'provider.health_changed': ({ provider, healthy }) =>
      recorder.record({
        ...{ type: healthy ? 'target.recovered' : 'target.unhealthy', tenant },
        data: { provider },
      }),
    'canary.rolled_back': (data) => recorder.record({ type: 'canary.rolled_back', tenant, data }),
    'cache.semantic_disabled': ({ tenant: of, ...data }) =>
      recorder.record({
        type: 'cache.disabled',
        tenant: of,
        data: { ...data, until: Math.round(data.until) },
      }),
    'audit.anchored': ({ tenant: of, sequence, hash }) => {
      // Every gateway reports the heads.
      const id = derivedEventId('audit.anchored', of ?? '', sequence);
      recorder.record({ type: 'audit.anchored', id, tenant: of, data: { sequence, hash } });
    },
    'audit.lost': ({ count, reason }) =>
      recorder.record({ type: 'audit.lost', tenant, data: { count, reason } }),
    'config.reloaded': ({ file, restart_keys }) =>
      recorder.record({ type: 'config.changed', tenant, data: { file, restart_keys } }),
    'config.rejected': ({ error }) =>
      recorder.record({ type: 'config.rejected', tenant, data: { reason: reasonOf(error) } }),
    'storage.write_failed': ({ area, error }) =>
      recorder.record({ type: 'storage.failed', tenant, data: { area, reason: reasonOf(error) } }),
    'storage.write_restored': ({ area }) =>
      recorder.record({ type: 'storage.recovered', tenant, data: { area } }),
    'usage.lost': ({ count }) => recorder.record({ type: 'usage.lost', tenant, data: { count } }),
    'engine.failed': ({ engine, reason }) =>
      recorder.record({ type: 'engine.failed', tenant, data: { engine, reason } }),
    'plugin.disabled': ({ plugin, reason }) =>
      recorder.record({ type: 'plugin.disabled', tenant, data: { plugin, reason } }),
  });
}

const MAX_REASON = 1_000;

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, MAX_REASON);
}
