import type { ModelRoute } from './directory.ts';

/**
 * Finds every model that may serve requests for one: its fallbacks for each failure, the variants of its experiments, and
 * theirs. The stronger model of an escalation is not among them: it serves in addition.
 */
export class PossibleRoutes {
  readonly #known = new WeakMap<ModelRoute, readonly ModelRoute[]>();

  constructor(private readonly resolve: (name: string) => ModelRoute | undefined) {}

  /** @returns the route itself first, each route once */
  of(route: ModelRoute): readonly ModelRoute[] {
    const known = this.#known.get(route);
    if (known) return known;
    const found = new Map([[route.id, route]]);
    let isComplete = true;
    for (const one of found.values()) {
      for (const name of namesIn(one)) {
        const other = this.resolve(name);
        if (!other) isComplete = false;
        else if (!found.has(other.id)) found.set(other.id, other);
      }
    }
    const routes = [...found.values()];
    // A name that nothing has yet may be discovered at a provider later.
    if (isComplete) this.#known.set(route, routes);
    return routes;
  }
}

function namesIn({ fallbacks, fallbacksOn, experiments }: ModelRoute): readonly string[] {
  const variants = [
    ...(experiments?.split ?? []).map(({ model }) => model),
    ...(experiments?.canary ? [experiments.canary.model] : []),
  ];
  return [...fallbacks, ...Object.values(fallbacksOn).flat(), ...variants];
}
