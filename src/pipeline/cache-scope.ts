import type { CacheControls } from '../cache/cache-controls.ts';
import type { EntryOwner } from '../cache/cache-entry.ts';
import type { KeyScope } from '../cache/cache-key.ts';
import type { HeaderReader } from '../core/http.ts';
import type { Target } from '../providers/types.ts';
import type { ModelRoute } from '../routing/directory.ts';
import type { Router } from '../routing/router.ts';
import type { RequestContext } from './request-context.ts';

interface RouteFacts {
  /** Names the model and its targets. */
  readonly text: string;
  readonly targets: readonly Target[];
  /** Headers that a target receives, so that they may change its response. */
  readonly headers: readonly string[];
}

/** What of a request, beside its body, decides which response it gets. */
export class CacheScopes {
  readonly #facts = new WeakMap<ModelRoute, RouteFacts>();

  constructor(private readonly router: Pick<Router, 'possibleRoutes'>) {}

  /** @returns what a key depends on beside the body; the same only for requests that may go to the same targets */
  of(
    request: RequestContext,
    route: ModelRoute,
    headers: HeaderReader,
    { namespace }: CacheControls,
  ): KeyScope {
    const { principal } = request.identity;
    const { constraints, strict } = request.controls;
    const { models } = principal.scopes ?? {};
    const facts = this.#factsOf(route);
    let text = facts.text;
    if (constraints || strict || models) text += JSON.stringify([constraints, strict, models?.toSorted()]);
    // Regions decide which targets may respond.
    if (principal.residency) text += JSON.stringify(principal.residency.allowed);
    for (const name of facts.headers) {
      const value = headers.get(name);
      if (value !== null) text += JSON.stringify([name, value]);
    }
    return { tenant: principal.tenant, namespace, route: text };
  }

  /** @returns the target that made a response; undefined where the model has it no longer */
  targetOf(route: ModelRoute, provider: string, model: string): Target | undefined {
    return this.#factsOf(route).targets.find((one) => one.provider.id === provider && one.model === model);
  }

  #factsOf(route: ModelRoute): RouteFacts {
    const known = this.#facts.get(route);
    if (known) return known;
    const targets = this.router.possibleRoutes(route).flatMap((one) => one.targets);
    const made = {
      text: JSON.stringify([
        route.id,
        targets.map(({ provider, model }) => [provider.id, provider.baseUrl, model]),
      ]),
      targets,
      headers: [...new Set(targets.flatMap(({ provider }) => provider.profile.forwardHeaders ?? []))],
    };
    this.#facts.set(route, made);
    return made;
  }
}

/** Whom an entry belongs to. */
export function ownerOf(
  { identity, controls, routing }: RequestContext,
  { namespace }: CacheControls,
): EntryOwner {
  return {
    tenant: identity.principal.tenant,
    namespace,
    model: routing.modelLabel ?? 'unknown',
    tags: controls.tags,
  };
}
