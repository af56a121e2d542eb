import type { CachedResponse, CachedVector } from '../cache/cache-entry.ts';
import type { CacheStore } from '../cache/cache-store.ts';
import type { Clock } from '../core/clock.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { SecretBox } from '../platform/secret-box.ts';

/** What the cache is made with, once for the process. */
export interface CacheOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly events: EventSink;
  /** Seals entries that leave the process. */
  readonly box: SecretBox;
}

export interface CacheStores {
  readonly responses: CacheStore<CachedResponse>;
  readonly vectors: CacheStore<CachedVector>;
}
