import type { Target } from '../providers/types.ts';

interface Counter {
  inflight: number;
}

/** Model names come from clients where a provider takes any; counters at rest beyond this many are dropped. */
const MAX_MODELS_PER_PROVIDER = 1_000;

/** Counts attempts in flight per target. Outlives configuration changes, since attempts do. */
export class TargetLoad {
  readonly #providers = new Map<string, Map<string, Counter>>();

  static key(target: Target): string {
    return `${target.provider.id}/${target.model}`;
  }

  inflight(target: Target): number {
    return this.#providers.get(target.provider.id)?.get(target.model)?.inflight ?? 0;
  }

  /** Takes a slot; the returned function gives it back, once. */
  acquire(target: Target): () => void {
    const counter = this.#counter(target);
    counter.inflight += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      counter.inflight -= 1;
    };
  }

  total(): number {
    let sum = 0;
    for (const models of this.#providers.values())
      for (const { inflight } of models.values()) sum += inflight;
    return sum;
  }

  #counter({ provider, model }: Target): Counter {
    let models = this.#providers.get(provider.id);
    if (!models) {
      models = new Map();
      this.#providers.set(provider.id, models);
    }
    let counter = models.get(model);
    if (!counter) {
      if (models.size >= MAX_MODELS_PER_PROVIDER) {
        for (const [name, { inflight }] of models) if (inflight === 0) models.delete(name);
      }
      counter = { inflight: 0 };
      models.set(model, counter);
    }
    return counter;
  }
}
