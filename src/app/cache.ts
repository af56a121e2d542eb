import { type CachedResponse, type CachedVector, responseBytes, vectorBytes } from '../cache/cache-entry.ts';
import type { CacheSettings, ExactSettings } from '../cache/cache-settings.ts';
import { CacheStats } from '../cache/cache-stats.ts';
import type { CacheStore } from '../cache/cache-store.ts';
import { MemoryCacheStore } from '../cache/memory-cache-store.ts';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { DeadlineMonitor } from '../dispatch/deadlines.ts';
import type { ModelPrice } from '../metering/price-data.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { CacheObserver, CacheServices } from '../pipeline/cache-services.ts';
import { WIRE_READERS } from '../providers/wire-readers.ts';

type CacheConfig = NonNullable<Config['cache']>;
type ExactConfig = NonNullable<CacheConfig['exact']>;

/** Bounds of stores that the configuration does not use. */
const UNUSED = { maxEntries: 1, maxBytes: 1 };

export interface CacheOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** The entries and their counts, which outlive configurations. */
export class CacheParts {
  readonly stats: CacheStats;
  readonly observer: CacheObserver;
  readonly #responses: MemoryCacheStore<CachedResponse>;
  readonly #vectors: MemoryCacheStore<CachedVector>;

  constructor({ clock, metrics }: CacheOptions) {
    this.stats = new CacheStats(() => clock.wallTime());
    this.observer = observer(this.stats, metrics);
    this.#responses = new MemoryCacheStore<CachedResponse>(UNUSED, responseBytes);
    this.#vectors = new MemoryCacheStore<CachedVector>(UNUSED, vectorBytes);
  }

  get responses(): CacheStore<CachedResponse> {
    return this.#responses;
  }

  get vectors(): CacheStore<CachedVector> {
    return this.#vectors;
  }

  /** @returns what the interceptors of a configuration work with; undefined where it caches nothing */
  services(
    { cache, models }: Config,
    deadlines: Pick<DeadlineMonitor, 'watch' | 'unwatch'>,
  ): CacheServices | undefined {
    const { exact, embeddings } = cache ?? {};
    this.#responses.configure(exact ? { maxEntries: exact.max_entries, maxBytes: exact.max_size } : UNUSED);
    this.#vectors.configure(
      embeddings ? { maxEntries: embeddings.max_entries, maxBytes: embeddings.max_size } : UNUSED,
    );
    if (!cache) return undefined;
    const usual = settingsOf(cache, null);
    const own = new Map(
      models.flatMap((model) => (model.cache ? [[model.id, settingsOf(cache, model.cache)] as const] : [])),
    );
    return {
      settingsOf: (model) => own.get(model) ?? usual,
      ...{ responses: this.responses, vectors: this.vectors },
      ...{ readers: WIRE_READERS, observer: this.observer, deadlines },
    };
  }
}

/** The settings of a model: its own, and for the rest those of all models. */
function settingsOf(cache: CacheConfig, model: Config['models'][number]['cache']): CacheSettings {
  const { exact, embeddings, coalescing } = cache;
  const { exact: ownExact, embeddings: ownEmbeddings, coalescing: ownCoalescing } = model ?? {};
  return {
    exact: exact && ownExact !== null ? exactSettings({ ...exact, ...given(ownExact ?? {}) }) : undefined,
    embeddings:
      embeddings && ownEmbeddings !== null
        ? { ttlMs: ownEmbeddings?.ttl ?? embeddings.ttl, maxTtlMs: embeddings.ttl }
        : undefined,
    coalescing: coalescing && ownCoalescing !== null ? { bufferBytes: coalescing.buffer } : undefined,
  };
}

function exactSettings(exact: ExactConfig): ExactSettings {
  return {
    ttlMs: exact.ttl,
    maxTtlMs: exact.max_ttl,
    sampled: exact.sampled,
    staleWhileRevalidateMs: exact.stale_while_revalidate,
    staleIfErrorMs: exact.stale_if_error,
    replay: exact.replay,
    maxEntryBytes: exact.max_entry_size,
    price: exact.price ? modelPrice(exact.price) : undefined,
  };
}

function modelPrice({ input, output }: NonNullable<ExactConfig['price']>): ModelPrice {
  return { input: { base: input }, output: { base: output } };
}

/** @returns the members that are set */
function given<T extends object>(members: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  const set: { [Name in keyof T]?: Exclude<T[Name], undefined> } = {};
  for (const name in members) {
    const value = members[name];
    if (value !== undefined) Object.assign(set, { [name]: value });
  }
  return set;
}

function observer(stats: CacheStats, metrics: Metrics): CacheObserver {
  return {
    hit({ kind, tenant, model }, saving) {
      stats.hit(tenant, model, saving);
      metrics.cacheHits.labels(kind, model).inc();
      metrics.cacheRequests.labels(tenant, 'hit').inc();
      if (saving.nanoUsd > 0) metrics.cacheSavedCost.labels(tenant, model).inc(saving.nanoUsd / 1e9);
      if (saving.ms > 0) metrics.cacheSavedSeconds.labels(tenant, model).inc(saving.ms / 1_000);
    },
    miss({ kind, tenant, model }) {
      stats.miss(tenant, model);
      metrics.cacheMisses.labels(kind, model).inc();
      metrics.cacheRequests.labels(tenant, 'miss').inc();
    },
    unreadable({ tenant, model }) {
      stats.error(tenant, model);
      metrics.cacheErrors.labels('unreadable').inc();
    },
  };
}
