import type { Target } from '../providers/types.ts';
import type { ModelDirectory, ModelRoute } from './directory.ts';
import { STRATEGIES } from './strategies.ts';
import { TargetLoad } from './target-load.ts';

/** Puts the targets of a model, and of its fallbacks behind them, into the order in which to try them. */
export class Router {
  readonly #turns = new Map<string, number>();

  constructor(
    private readonly directory: ModelDirectory,
    private readonly load: TargetLoad,
    private readonly random: () => number,
  ) {}

  /** @returns each target once, but for those with weight 0; empty when there is none */
  order(route: ModelRoute): Target[] {
    const only = route.targets[0];
    if (only && only.weight > 0 && route.targets.length === 1 && route.fallbacks.length === 0) return [only];
    const ordered = new Map<string, Target>();
    const seen = new Set<string>();
    const visit = (current: ModelRoute) => {
      if (seen.has(current.id)) return;
      seen.add(current.id);
      for (const target of this.#within(current)) {
        const key = TargetLoad.key(target);
        if (!ordered.has(key)) ordered.set(key, target);
      }
      for (const name of current.fallbacks) {
        const next = this.directory.resolve(name);
        if (next) visit(next);
      }
    };
    visit(route);
    return [...ordered.values()];
  }

  #within(route: ModelRoute): Target[] {
    const count = this.#turns.get(route.id) ?? 0;
    if (route.targets.length > 1) this.#turns.set(route.id, count + 1);
    const views = route.targets
      .filter(({ weight }) => weight > 0)
      .map((target) => ({ target, inflight: this.load.inflight(target) }));
    return STRATEGIES[route.strategy](views, { count, random: this.random }).map((view) => view.target);
  }
}
