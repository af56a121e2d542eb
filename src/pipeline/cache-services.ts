import type { CachedResponse, CachedVector } from '../cache/cache-entry.ts';
import type { CacheSettings } from '../cache/cache-settings.ts';
import type { CacheStore } from '../cache/cache-store.ts';
import type { Embedder } from '../cache/embedders/embedder.ts';
import type { FalseHitMonitor, FalseHitState } from '../cache/semantic/false-hit-monitor.ts';
import type { SemanticCache } from '../cache/semantic/semantic-cache.ts';
import type { StreamRelay } from '../cache/stream-relay.ts';
import type { EmbeddingCall } from '../core/inference.ts';
import type { DeadlineMonitor } from '../dispatch/deadlines.ts';
import type { WireReader } from '../providers/wire-readers.ts';
import type { SemanticTrace } from './cache-trace.ts';
import type { ChatQuestion } from './chat-question.ts';

/** What the cache saved with one response. */
export interface Saving {
  /** 10^-9 US dollars; 0 where no price was known. */
  readonly nanoUsd: number;
  readonly ms: number;
}

/** Of which cache, and whose request. */
export interface CacheUse {
  readonly kind: 'exact' | 'semantic' | 'embedding' | 'coalesced';
  readonly tenant: string;
  /** From a bounded set. */
  readonly model: string;
}

/** Counts what the cache does. */
export interface CacheObserver {
  hit(use: CacheUse, saving: Saving): void;
  miss(use: CacheUse): void;
  /** What a hit saved, where that is known later. */
  saved(use: CacheUse, saving: Saving): void;
  /** An entry could not be read. */
  unreadable(use: CacheUse): void;
  /** The store was not asked, or too slow. */
  skipped(use: CacheUse): void;
}

/** A use of the semantic cache. */
export interface SemanticUse extends CacheUse {
  readonly requestId: string;
}

/** Counts what the semantic cache does. */
export interface SemanticObserver {
  /** @param saving of the match; undefined where there was none */
  looked(use: SemanticUse, trace: SemanticTrace, saving?: Saving): void;
  /** A hit was compared with a new response. */
  verified(use: SemanticUse, isFalse: boolean, state: FalseHitState): void;
  /** Too many hits were false: none is served until the pause ends. */
  disabled(use: CacheUse, state: FalseHitState): void;
}

/** What finds responses to questions that ask for the same. */
export interface SemanticServices {
  readonly cache: SemanticCache;
  readonly monitor: FalseHitMonitor;
  /** Undefined where its files are not installed. */
  readonly embedder: Embedder | undefined;
  readonly embeddingOf: (model: string, text: string) => EmbeddingCall;
  readonly question: ChatQuestion;
  readonly observer: SemanticObserver;
  /** Numbers in [0, 1). */
  readonly random: () => number;
}

/** What the cache's interceptors work with. */
export interface CacheServices {
  /** @param model id of a configured model, or another name */
  readonly settingsOf: (model: string) => CacheSettings;
  readonly responses: CacheStore<CachedResponse>;
  readonly vectors: CacheStore<CachedVector>;
  /** Passes streams between gateways. Absent where they share no store. */
  readonly relay?: StreamRelay | undefined;
  /** The readers of client dialects' wire formats. */
  readonly readers: ReadonlyMap<string, () => WireReader | Promise<WireReader>>;
  readonly observer: CacheObserver;
  /** Absent where no model uses it. */
  readonly semantic?: SemanticServices | undefined;
  readonly deadlines: Pick<DeadlineMonitor, 'watch' | 'unwatch'>;
}
