import type { CacheReport } from '../cache/cache-counts.ts';
import { type CachedResponse, type CachedVector, responseBytes, vectorBytes } from '../cache/cache-entry.ts';
import type { CacheSettings, ExactSettings } from '../cache/cache-settings.ts';
import { CacheStats } from '../cache/cache-stats.ts';
import type { CacheFilter, CacheStore } from '../cache/cache-store.ts';
import { MemoryCacheStore } from '../cache/memory-cache-store.ts';
import type { PairState } from '../cache/semantic/false-hit-monitor.ts';
import type { PairReport } from '../cache/semantic/semantic-report.ts';
import type { Config } from '../config/schema.ts';
import type { DeadlineMonitor } from '../dispatch/deadlines.ts';
import type { ModelPrice } from '../metering/price-data.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { CacheObserver, CacheServices, Saving } from '../pipeline/cache-services.ts';
import type { PromptCacheUse } from '../pipeline/usage-meter.ts';
import { WIRE_READERS } from '../providers/wire-readers.ts';
import type { CacheOptions, CacheStores } from './cache-options.ts';
import type { RedisCache } from './redis-cache.ts';
import type { SemanticParts } from './semantic-cache.ts';
import { semanticSettings } from './semantic-settings.ts';

type CacheConfig = NonNullable<Config['cache']>;
type ExactConfig = NonNullable<CacheConfig['exact']>;

/** Bounds of stores that the configuration does not use. */
const UNUSED = { maxEntries: 1, maxBytes: 1 };

/** The entries and their counts, which outlive configurations. */
export class CacheParts {
  readonly #stats: CacheStats;
  readonly observer: CacheObserver;
  readonly #options: CacheOptions;
  readonly #memory: {
    readonly responses: MemoryCacheStore<CachedResponse>;
    readonly vectors: MemoryCacheStore<CachedVector>;
  };
  /** Loaded only where it is used. */
  #semantic: SemanticParts | undefined;
  #redis: RedisCache | undefined;
  #stores: CacheStores;
  #config: Config['cache'] = null;

  constructor(options: CacheOptions) {
    this.#options = options;
    this.#stats = new CacheStats(
      () => options.clock.wallTime(),
      (counts) => this.#redis?.stats.changing(counts),
    );
    this.observer = observer(this.#stats, options.metrics);
    this.#memory = {
      responses: new MemoryCacheStore<CachedResponse>(UNUSED, responseBytes),
      vectors: new MemoryCacheStore<CachedVector>(UNUSED, vectorBytes),
    };
    this.#stores = this.#memory;
  }

  get responses(): CacheStore<CachedResponse> {
    return this.#stores.responses;
  }

  get vectors(): CacheStore<CachedVector> {
    return this.#stores.vectors;
  }

  /** Connects to Redis where a configuration keeps entries there. Does not wait for the connection. */
  async prepare(config: Config): Promise<void> {
    this.#config = config.cache;
    if (config.cache?.semantic && !this.#semantic) {
      const { SemanticParts } = await import('./semantic-cache.ts');
      this.#semantic = new SemanticParts(this.#options);
    }
    await this.#semantic?.prepare(config);
    if (this.#redis || !usesRedis(config)) return;
    // Loaded only where it is used.
    const { createRedisCache } = await import('./redis-cache.ts');
    this.#redis = await createRedisCache({ ...this.#options, config, cache: () => this.#config });
  }

  /** @returns what the interceptors of a configuration work with; undefined where it caches nothing */
  services(config: Config, deadlines: Pick<DeadlineMonitor, 'watch' | 'unwatch'>): CacheServices | undefined {
    const { cache, models } = config;
    const { exact, embeddings } = cache ?? {};
    const { responses, vectors } = this.#memory;
    responses.configure(exact ? { maxEntries: exact.max_entries, maxBytes: exact.max_size } : UNUSED);
    vectors.configure(
      embeddings ? { maxEntries: embeddings.max_entries, maxBytes: embeddings.max_size } : UNUSED,
    );
    const shared = usesRedis(config) ? this.#redis : undefined;
    this.#stores = shared ? shared.stores : this.#memory;
    const semantic = this.#semantic?.services(config, shared?.semantic);
    if (!cache) return undefined;
    const usual = settingsOf(cache, null);
    const own = new Map(
      models.flatMap((model) => (model.cache ? [[model.id, settingsOf(cache, model.cache)] as const] : [])),
    );
    return {
      settingsOf: (model) => own.get(model) ?? usual,
      ...this.#stores,
      ...{ readers: WIRE_READERS, observer: this.observer, semantic, deadlines, relay: shared?.relay },
    };
  }

  /** Removes entries of all kinds. @returns how many, or with `dryRun` how many there are */
  async clear(filter: CacheFilter, dryRun: boolean): Promise<number> {
    const { responses, vectors } = this.#stores;
    const similar = (await this.#semantic?.clear(filter, dryRun)) ?? 0;
    return similar + (await responses.clear(filter, dryRun)) + (await vectors.clear(filter, dryRun));
  }

  /** @returns the counts of the last 24 hours: those of all gateways with Redis, else of this one */
  async report(): Promise<CacheReport> {
    const shared = this.#redis?.stats.report();
    try {
      if (shared) return await shared;
    } catch (error) {
      this.#options.events.emit('cache.stats_failed', { error });
    }
    return this.#stats.report();
  }

  /** @returns the measured shares of false hits of the semantic cache in this gateway */
  semanticStates(tenant: string | undefined): readonly PairState[] {
    return this.#semantic?.states(tenant) ?? [];
  }

  /** @returns what the semantic cache of this gateway found for each model of a tenant, or of all */
  semanticReport(tenant: string | undefined): readonly PairReport[] {
    return this.#semantic?.report(tenant) ?? [];
  }

  /** Serves hits of the semantic cache again, where too many of them were false. */
  enableSemantic(tenant: string, model: string): void {
    this.#semantic?.enable(tenant, model);
  }

  /** Counts what an attempt used the prompt cache of its provider for. */
  promptCacheUsed({ tenant, model, readTokens, writeTokens, savedPico }: PromptCacheUse): void {
    const { promptTokens, promptSaved, promptExtra } = this.#options.metrics.cache;
    this.#stats.promptCache(tenant, model, { readTokens, writeTokens, savedNanoUsd: savedPico / 1_000 });
    if (readTokens > 0) promptTokens.labels(tenant, model, 'read').inc(readTokens);
    if (writeTokens > 0) promptTokens.labels(tenant, model, 'write').inc(writeTokens);
    if (savedPico > 0) promptSaved.labels(tenant, model).inc(savedPico / 1e12);
    if (savedPico < 0) promptExtra.labels(tenant, model).inc(-savedPico / 1e12);
  }

  /** Updates the gauges of what this process holds. */
  readGauges(): void {
    this.#semantic?.readGauges();
    const { entries: entryGauge, bytes: byteGauge } = this.#options.metrics.cache;
    for (const [kind, store] of [
      ['exact', this.#memory.responses] as const,
      ['embedding', this.#memory.vectors] as const,
    ]) {
      const { entries, bytes = 0 } = store.contents();
      entryGauge.labels(kind).set(entries);
      byteGauge.labels(kind).set(bytes);
    }
  }

  async close(): Promise<void> {
    await this.#semantic?.close();
    await this.#redis?.close();
  }
}

function usesRedis({ cache, storage }: Config): boolean {
  return cache !== null && cache.store !== 'memory' && storage.redis_url !== null;
}

/** The settings of a model: its own, and for the rest those of all models. */
function settingsOf(cache: CacheConfig, model: Config['models'][number]['cache']): CacheSettings {
  const { exact, embeddings, coalescing, semantic } = cache;
  const { exact: ownExact, embeddings: ownEmbeddings, coalescing: ownCoalescing } = model ?? {};
  const ownSemantic = model?.semantic;
  return {
    exact: exact && ownExact !== null ? exactSettings({ ...exact, ...given(ownExact ?? {}) }) : undefined,
    embeddings:
      embeddings && ownEmbeddings !== null
        ? {
            ttlMs: ownEmbeddings?.ttl ?? embeddings.ttl,
            maxTtlMs: embeddings.ttl,
            price:
              embeddings.price === null
                ? undefined
                : modelPrice({ input: embeddings.price, output: embeddings.price }),
          }
        : undefined,
    coalescing:
      coalescing && ownCoalescing !== null
        ? { bufferBytes: coalescing.buffer, isShared: coalescing.across_gateways }
        : undefined,
    semantic: semantic && ownSemantic !== null ? semanticSettings(semantic, ownSemantic ?? {}) : undefined,
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

function observer(stats: CacheStats, { cache: metrics }: Metrics): CacheObserver {
  return {
    hit({ kind, tenant, model }, saving) {
      stats.hit(tenant, model, saving);
      metrics.hits.labels(kind, model).inc();
      metrics.requests.labels(tenant, 'hit').inc();
      countSaving(metrics, kind, tenant, model, saving);
    },
    miss({ kind, tenant, model }) {
      stats.miss(tenant, model);
      metrics.misses.labels(kind, model).inc();
      metrics.requests.labels(tenant, 'miss').inc();
    },
    unreadable({ tenant, model }) {
      stats.error(tenant, model);
      metrics.errors.labels('unreadable').inc();
    },
    skipped({ tenant, model }) {
      stats.error(tenant, model);
    },
    saved({ kind, tenant, model }, saving) {
      stats.saved(tenant, model, saving);
      countSaving(metrics, kind, tenant, model, saving);
    },
  };
}

function countSaving(
  metrics: Metrics['cache'],
  kind: string,
  tenant: string,
  model: string,
  { nanoUsd, ms }: Saving,
): void {
  if (nanoUsd > 0) metrics.savedCost.labels(kind, model, tenant).inc(nanoUsd / 1e9);
  if (ms > 0) metrics.savedSeconds.labels(kind, model, tenant).inc(ms / 1_000);
}
