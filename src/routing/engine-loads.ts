import type { EngineLoad } from '../providers/engine-load.ts';

/** The last load that each engine reported, by provider id. */
export class EngineLoads {
  readonly #loads = new Map<string, { readonly load: EngineLoad; readonly at: number }>();

  /** @param staleMs age in milliseconds after which a load is ignored */
  constructor(
    private readonly now: () => number,
    private readonly staleMs: number,
  ) {}

  set(provider: string, load: EngineLoad | undefined): void {
    if (load) this.#loads.set(provider, { load, at: this.now() });
    else this.#loads.delete(provider);
  }

  of(provider: string): EngineLoad | undefined {
    const known = this.#loads.get(provider);
    return known && this.now() - known.at <= this.staleMs ? known.load : undefined;
  }
}
