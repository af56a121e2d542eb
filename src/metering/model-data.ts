import type { Target } from '../providers/types.ts';
import type { ModelInfo, ModelOverrides } from './model-info.ts';
import type { lookUpModel } from './model-lookup.ts';

export type { ModelInfo, ModelOverrides } from './model-info.ts';

/** Facts about models, from the data packages and the configuration. Cached by model and day. */
export class ModelData {
  readonly #known = new Map<string, ModelInfo>();
  #lookUp: typeof lookUpModel | undefined;

  /** @param today returns the current date: prices depend on it */
  constructor(private readonly today: () => Date) {}

  /**
   * Loads the data packages: 15 MiB, about 65 ms, of which 20 to 40 ms block the event loop at a time. Await it before the first `of`.
   * Only the first call loads.
   */
  async load(): Promise<this> {
    if (!this.#lookUp) {
      // Two imports: one import evaluates everything below it without a pause for the event loop.
      await import('./price-data.ts');
      const { lookUpModel, prepareLookUps } = await import('./model-lookup.ts');
      prepareLookUps();
      this.#lookUp = lookUpModel;
    }
    return this;
  }

  /**
   * @param overrides the model's configured facts, which override the data
   * @returns known facts; `sources` lists their origins
   * @throws Error before `load`
   */
  of({ provider, model }: Target, overrides: ModelOverrides = {}): ModelInfo {
    const day = this.today();
    const key = `${day.toISOString().slice(0, 10)} ${provider.kind} ${provider.profile.label} ${model}`;
    let info = this.#known.get(key);
    if (!info) {
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      if (!this.#lookUp) throw new Error('ModelData.load must be awaited before the first lookup');
      info = this.#lookUp(provider.profile.dataNames ?? {}, model, day);
      this.#known.set(key, info);
    }
    return merge(info, overrides);
  }
}

/** Bounds the cache, because clients can name any model of a provider. */
const MAX_KNOWN = 10_000;

function merge(info: ModelInfo, overrides: ModelOverrides): ModelInfo {
  for (const _ in overrides) {
    const { capabilities, ...rest } = overrides;
    return {
      ...info,
      ...rest,
      capabilities: { ...info.capabilities, ...capabilities },
      sources: ['configuration', ...info.sources],
    };
  }
  return info;
}
