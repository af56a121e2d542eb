import { fetchModels } from '../providers/buffered-call.ts';
import type { Provider, UpstreamModel } from '../providers/types.ts';
import type { DiscoveredModels } from './directory.ts';

const TIMEOUT_MS = 5_000;

/** The outcome of one model list request. */
export interface DiscoveryResult {
  readonly provider: string;
  /** Number of models listed. */
  readonly models: number;
  /** Undefined where the request succeeded. */
  readonly error: unknown;
}

/** The model lists that providers report. A provider that does not respond keeps its last list. */
export class ModelDiscovery {
  #models: ReadonlyMap<string, readonly UpstreamModel[]> = new Map();

  get current(): DiscoveredModels {
    return this.#models;
  }

  /** Requests the model lists of all providers in parallel, each within 5 s. Never rejects. */
  async refresh(providers: readonly Provider[]): Promise<DiscoveryResult[]> {
    const asked = providers.filter(({ discover }) => discover);
    const answers = await Promise.allSettled(asked.map((provider) => fetchModels(provider, TIMEOUT_MS)));
    const next = new Map(this.#models);
    const results = asked.map((provider, index): DiscoveryResult => {
      const answer = answers[index];
      if (answer?.status !== 'fulfilled') return { provider: provider.id, models: 0, error: answer?.reason };
      next.set(provider.id, answer.value);
      return { provider: provider.id, models: answer.value.length, error: undefined };
    });
    const known = new Set(providers.map(({ id }) => id));
    for (const id of next.keys()) if (!known.has(id)) next.delete(id);
    this.#models = next;
    return results;
  }
}
