import type { EngineMetrics } from '../providers/engine-load.ts';

export interface EngineReading {
  readonly provider: string;
  readonly metrics: EngineMetrics;
}

/** The last metrics of each engine. */
export class EngineReadings {
  readonly #readings = new Map<string, { readonly metrics: EngineMetrics; readonly at: number }>();

  /**
   * @param now monotonic milliseconds
   * @param staleMs age in milliseconds after which a reading is no longer shown
   */
  constructor(
    private readonly now: () => number,
    private readonly staleMs: () => number,
  ) {}

  /** @param metrics undefined for an engine that has none at present */
  set(provider: string, metrics: EngineMetrics | undefined): void {
    if (metrics) this.#readings.set(provider, { metrics, at: this.now() });
    else this.#readings.delete(provider);
  }

  /** Those that are not stale. Others are forgotten. */
  current(): EngineReading[] {
    const staleAt = this.now() - this.staleMs();
    const current: EngineReading[] = [];
    for (const [provider, { metrics, at }] of this.#readings) {
      if (at < staleAt) this.#readings.delete(provider);
      else current.push({ provider, metrics });
    }
    return current;
  }
}
