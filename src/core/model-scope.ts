import type { KeyScopes } from './principal.ts';

/** Why a request would have gone to a model other than the requested one. */
export type ModelUse =
  | 'escalation'
  | 'experiment'
  | 'mirror'
  | 'general'
  | 'context_window'
  | 'content_policy'
  | 'rate_limit'
  | 'budget';

/** A model that a request did not reach because its key may not use it. */
export interface RefusedModel {
  readonly model: string;
  readonly reason: ModelUse;
}

/** Refused models that are kept for the explanation. */
const MAX_REFUSED = 50;

/** @returns whether a pattern matches; `*` at the end of a pattern stands for anything */
export function matchesAny(patterns: readonly string[], value: string): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : value === pattern,
  );
}

/** The models that the key of one request may use, and those that the request did not reach for that reason. */
export class ModelScope {
  readonly #refused: RefusedModel[] = [];

  /** @param patterns names of models; `*` at the end stands for anything */
  constructor(private readonly patterns: readonly string[]) {}

  get refused(): readonly RefusedModel[] {
    return this.#refused;
  }

  /**
   * @param names of the model: the configured reference and what it resolves to; either may be allowed
   * @param reason recorded once for each model that is not allowed
   */
  allows(names: readonly [string, ...string[]], reason: ModelUse): boolean {
    if (names.some((name) => matchesAny(this.patterns, name))) return true;
    const [model] = names;
    const isKnown = this.#refused.some((one) => one.model === model && one.reason === reason);
    if (!isKnown && this.#refused.length < MAX_REFUSED) this.#refused.push({ model, reason });
    return false;
  }
}

/** @returns undefined for a key that may use every model */
export function modelScopeOf(scopes: KeyScopes | undefined): ModelScope | undefined {
  return scopes?.models ? new ModelScope(scopes.models) : undefined;
}
