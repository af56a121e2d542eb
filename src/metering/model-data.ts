import type { Target } from '../providers/types.ts';
import type { ModelInfo, ModelOverrides } from './model-info.ts';
import type { lookUpModel } from './model-lookup.ts';

export type { ModelInfo, ModelOverrides } from './model-info.ts';

/** Facts about models, from kept data and the configuration. Looked up once for each model. */
export class ModelData {
  readonly #known = new Map<string, ModelInfo>();
  #lookUp: typeof lookUpModel | undefined;

  /** @param today prices change; looked up again when the day is another */
  constructor(private readonly today: () => Date) {}

  /**
   * Loads the kept data: 15 MiB that take about 80 ms, of which 50 ms in one piece. To be awaited before the first
   * `of`; only the first call loads.
   */
  async load(): Promise<this> {
    if (!this.#lookUp) {
      const { lookUpModel, prepareLookUps } = await import('./model-lookup.ts');
      prepareLookUps();
      this.#lookUp = lookUpModel;
    }
    return this;
  }

  /** @throws Error before `load` */
  of({ provider, model }: Target, overrides: ModelOverrides = {}): ModelInfo {
    const day = this.today();
    const key = `${day.toISOString().slice(0, 10)} ${provider.kind} ${provider.profile.label} ${model}`;
    let info = this.#known.get(key);
    if (!info) {
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      if (!this.#lookUp) throw new Error('the data of models is used before it is loaded');
      info = this.#lookUp(provider.profile.dataNames ?? {}, model, day);
      this.#known.set(key, info);
    }
    return merge(info, overrides);
  }
}

/** Clients may name any model of a provider, so what is kept has to end somewhere. */
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
