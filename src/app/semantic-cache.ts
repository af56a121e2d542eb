import { embeddingCall } from '../api/openai/embedding-call.ts';
import { type CachedResponse, responseBytes } from '../cache/cache-entry.ts';
import type { CacheFilter, CacheStore } from '../cache/cache-store.ts';
import type { Embedder } from '../cache/embedders/embedder.ts';
import { EmbedderFilesError, embedderFolder, loadEmbedder } from '../cache/embedders/embedder-files.ts';
import { MemoryCacheStore } from '../cache/memory-cache-store.ts';
import { FalseHitMonitor, type PairState } from '../cache/semantic/false-hit-monitor.ts';
import { SemanticCache } from '../cache/semantic/semantic-cache.ts';
import { PLAIN_PAYLOADS, sealedPayloads } from '../cache/semantic/semantic-payload.ts';
import { type PairReport, SemanticReport } from '../cache/semantic/semantic-report.ts';
import { MemoryVectorStore } from '../cache/semantic/stores/memory-vector-store.ts';
import type { VectorStore } from '../cache/semantic/vector-store.ts';
import type { Config } from '../config/schema.ts';
import type { EmbeddingCall } from '../core/inference.ts';
import type { SemanticObserver, SemanticServices } from '../pipeline/cache-services.ts';
import type { CacheOptions } from './cache-options.ts';
import { dataFolder } from './database-servers.ts';
import { question } from './guardrails.ts';
import type { SemanticConfig } from './semantic-settings.ts';

const UNUSED = { maxEntries: 1, maxBytes: 1 };
const NO_VECTORS = { ...UNUSED, maxEntriesPerTenant: 1 };
const NO_HEADERS = new Headers();

/** The semantic cache's entries and measurements, which outlive configurations. */
export class SemanticParts {
  readonly #options: CacheOptions;
  readonly #memory = new MemoryCacheStore<CachedResponse>(UNUSED, responseBytes);
  readonly #vectors = new MemoryVectorStore(NO_VECTORS);
  readonly #monitor: FalseHitMonitor;
  readonly #report: SemanticReport;
  #responses: CacheStore<CachedResponse> = this.#memory;
  /** Where vectors are kept, if not in memory. */
  #external: VectorStore | undefined;
  #cache: SemanticCache | undefined;
  #embedder: Embedder | undefined;

  constructor(options: CacheOptions) {
    this.#options = options;
    this.#monitor = new FalseHitMonitor(() => options.clock.wallTime());
    this.#report = new SemanticReport(() => options.clock.wallTime());
  }

  /** Reads the built-in embedder where a configuration uses it. Without its files, the gateway runs without. */
  async prepare(config: Config): Promise<void> {
    const semantic = config.cache?.semantic;
    if (!semantic) return;
    if (semantic.store && !this.#external) await this.#openStore(config, semantic.store);
    if (semantic.embedder !== null || this.#embedder) return;
    try {
      this.#embedder = await loadEmbedder(embedderFolder(dataFolder(config)));
    } catch (error) {
      if (!(error instanceof EmbedderFilesError)) throw error;
      this.#options.events.emit('cache.embedder_missing', { error });
    }
  }

  async #openStore(config: Config, store: NonNullable<SemanticConfig['store']>): Promise<void> {
    const { createVectorStore, VectorStoreError } = await import('./vector-stores.ts');
    try {
      this.#external = await createVectorStore(config, store, this.#options);
    } catch (error) {
      if (!(error instanceof VectorStoreError)) throw error;
      this.#options.events.emit('cache.vector_store_unusable', { error });
    }
  }

  /** @param shared where responses are kept, if not in memory */
  services(config: Config, shared: CacheStore<CachedResponse> | undefined): SemanticServices | undefined {
    const semantic = config.cache?.semantic;
    this.#memory.configure(
      semantic && !shared ? { maxEntries: semantic.max_entries, maxBytes: semantic.max_size } : UNUSED,
    );
    this.#vectors.configure(semantic && !semantic.store ? vectorLimits(semantic) : NO_VECTORS);
    const responses = shared ?? this.#memory;
    // A store that cannot be used is not replaced with memory, which may not have the room.
    if (!semantic || (semantic.store && !this.#external)) return undefined;
    const { clock, metrics, box } = this.#options;
    if (!this.#cache || responses !== this.#responses) {
      this.#responses = responses;
      this.#cache = new SemanticCache({
        ...{ clock, responses, vectors: this.#external ?? this.#vectors },
        payloads: this.#external ? sealedPayloads(box) : PLAIN_PAYLOADS,
        onSkip: (reason) => metrics.cache.errors.labels(`semantic_${reason}`).inc(),
      });
    }
    return {
      ...{ cache: this.#cache, monitor: this.#monitor, embedder: this.#embedder, embeddingOf, question },
      observer: this.#observer(),
      random: Math.random,
    };
  }

  /** Removes questions and their responses, and serves again where serving was disabled. @returns how many responses */
  async clear(filter: CacheFilter, dryRun: boolean): Promise<number> {
    if (!dryRun) this.#monitor.reset(filter.tenant, filter.model);
    return (await this.#cache?.clear(filter, dryRun)) ?? 0;
  }

  /** @returns the measured shares of false hits */
  states(tenant: string | undefined): readonly PairState[] {
    return this.#monitor.states(tenant);
  }

  /** @returns what was found for each model of a tenant, or of all */
  report(tenant: string | undefined): readonly PairReport[] {
    return this.#report.read(tenant);
  }

  /** Serves a model's hits to a tenant again. */
  enable(tenant: string, model: string): void {
    this.#monitor.reset(tenant, model);
  }

  readGauges(): void {
    const { entries: entryGauge, bytes: byteGauge } = this.#options.metrics.cache;
    const { entries, bytes = 0 } = this.#vectors.contents();
    entryGauge.labels('semantic').set(entries);
    byteGauge.labels('semantic').set(bytes + (this.#memory.contents().bytes ?? 0));
  }

  async close(): Promise<void> {
    await this.#external?.close?.();
  }

  #observer(): SemanticObserver {
    const { metrics, events } = this.#options;
    return {
      looked: (use, trace, saving) => {
        const { result, similarity, requestId: matchedRequestId, reason } = trace;
        metrics.cache.semanticLookups.labels(use.model, result).inc();
        const found = { requestId: use.requestId, result, similarity, matchedRequestId, reason };
        this.#report.looked(use, found, saving);
      },
      verified: ({ tenant, model, requestId }, isFalse, { share }) => {
        this.#report.verified({ tenant, model }, requestId, isFalse);
        metrics.cache.semanticVerified.labels(tenant, model, isFalse ? 'different' : 'same').inc();
        metrics.cache.semanticFalseHits.labels(tenant, model).set(share);
      },
      disabled: ({ tenant, model }, { share, samples, disabledUntil = 0 }) => {
        events.emit('cache.semantic_disabled', { tenant, model, share, samples, until: disabledUntil });
      },
    };
  }
}

function vectorLimits({ max_entries, max_entries_per_tenant, max_size }: SemanticConfig) {
  return { maxEntries: max_entries, maxBytes: max_size, maxEntriesPerTenant: max_entries_per_tenant };
}

function embeddingOf(model: string, text: string): EmbeddingCall {
  const json = { model, input: text };
  return embeddingCall({ text: JSON.stringify(json), json }, NO_HEADERS);
}
