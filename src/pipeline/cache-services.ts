import type { CachedResponse, CachedVector } from '../cache/cache-entry.ts';
import type { CacheSettings } from '../cache/cache-settings.ts';
import type { CacheStore } from '../cache/cache-store.ts';
import type { DeadlineMonitor } from '../dispatch/deadlines.ts';
import type { WireReader } from '../providers/wire-readers.ts';

/** What the cache saved with one response. */
export interface Saving {
  /** 10^-9 US dollars; 0 where no price was known. */
  readonly nanoUsd: number;
  readonly ms: number;
}

/** Of which cache, and whose request. */
export interface CacheUse {
  readonly kind: 'exact' | 'embedding' | 'coalesced';
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

/** What the cache's interceptors work with. */
export interface CacheServices {
  /** @param model id of a configured model, or another name */
  readonly settingsOf: (model: string) => CacheSettings;
  readonly responses: CacheStore<CachedResponse>;
  readonly vectors: CacheStore<CachedVector>;
  /** The readers of client dialects' wire formats. */
  readonly readers: ReadonlyMap<string, () => WireReader | Promise<WireReader>>;
  readonly observer: CacheObserver;
  readonly deadlines: Pick<DeadlineMonitor, 'watch' | 'unwatch'>;
}
