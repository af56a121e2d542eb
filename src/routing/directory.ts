import { distance } from 'fastest-levenshtein';
import type { SubjectLimits } from '../core/limit.ts';
import type { ModelOverrides } from '../metering/model-data.ts';
import { type NamedVendor, vendorsOfModel } from '../providers/registry.ts';
import type { Provider, Target, UpstreamModel } from '../providers/types.ts';
import type { ExperimentSettings } from './experiments/settings.ts';
import type { StrategyName } from './strategies/index.ts';

/** The failure that a fallback is for: any retryable failure, or one kind. */
export type FallbackReason = 'general' | 'context_window' | 'content_policy' | 'rate_limit' | 'budget';

/** Names of the fallback models, by failure. */
export type FallbacksOn = Readonly<Partial<Record<FallbackReason, readonly string[]>>>;

/** When a second target is tried in parallel with one that is slow to start. */
export interface HedgeSettings {
  /** Largest share of the model's streams, 0 to 100. */
  readonly percent: number;
  /** Milliseconds without a first event; undefined for the target's own 95th percentile. */
  readonly afterMs: number | undefined;
  /** Largest ratio of the second target's price to the first one's. */
  readonly maxPriceRatio: number;
}

export type EscalationReason = 'refusal' | 'schema' | 'low_confidence';

/** When a response is escalated to a stronger model. */
export interface EscalationSettings {
  /** Name of the stronger model. */
  readonly model: string;
  readonly when: readonly EscalationReason[];
  /** Lowest geometric mean of the token probabilities, 0 to 1. */
  readonly minConfidence: number;
}

/** How requests for embeddings are joined into one upstream call. */
export interface MicroBatchSettings {
  /** Milliseconds that the first request waits for others. */
  readonly windowMs: number;
  /** Inputs of one upstream call. */
  readonly maxInputs: number;
  /** Bytes of the joined bodies together. */
  readonly maxBytes: number;
}

/** A model that the configuration defines. */
export interface ModelDefinition {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly strategy: StrategyName;
  /** The plugin that orders the targets before the strategy does. */
  readonly strategyPlugin?: string | undefined;
  readonly targets: readonly {
    readonly provider: string;
    readonly model: string;
    readonly weight: number;
    readonly tier?: number;
    readonly region?: string | null;
    readonly limits?: readonly SubjectLimits[] | undefined;
  }[];
  readonly fallbacks: readonly string[];
  readonly fallbacksOn?: FallbacksOn;
  readonly hedging?: HedgeSettings | undefined;
  /** Undefined where requests are not joined. */
  readonly microBatch?: MicroBatchSettings | undefined;
  readonly experiments?: ExperimentSettings | undefined;
  readonly escalation?: EscalationSettings | undefined;
  /** Another target continues a stream that breaks. */
  readonly continueStreams?: boolean;
  /** Milliseconds; see `Target`. */
  readonly timeoutMs?: number | undefined;
  /** Complete responses have `metadata` in their body. */
  readonly responseMetadata?: boolean;
  /** Words for what the model is good at. */
  readonly bestFor?: readonly string[];
  /** A word for its price class. */
  readonly costTier?: string | undefined;
  /** Reject requests with a setting that the target does not support. */
  readonly strict?: boolean;
  /** Tasks that the model serves where a request names no model. */
  readonly roles?: readonly string[];
  /** Configured values that replace the model data. */
  readonly facts?: ModelOverrides;
  /** Limits on the model, over all its clients. */
  readonly limits?: readonly SubjectLimits[] | undefined;
}

/** The targets and policies of one model name. */
export interface ModelRoute {
  readonly id: string;
  /** A value from a bounded set, for metric labels. */
  readonly label: string;
  readonly strategy: StrategyName;
  /** The plugin that orders the targets before the strategy does. */
  readonly strategyPlugin?: string | undefined;
  readonly targets: readonly Target[];
  readonly fallbacks: readonly string[];
  readonly fallbacksOn: FallbacksOn;
  readonly hedging?: HedgeSettings | undefined;
  /** Undefined where requests are not joined. */
  readonly microBatch?: MicroBatchSettings | undefined;
  readonly experiments?: ExperimentSettings | undefined;
  readonly escalation?: EscalationSettings | undefined;
  readonly continueStreams?: boolean;
  readonly responseMetadata?: boolean;
  readonly bestFor?: readonly string[];
  readonly costTier?: string | undefined;
  readonly strict: boolean;
  readonly facts: ModelOverrides | undefined;
  readonly limits?: readonly SubjectLimits[] | undefined;
  /** False for routes that were derived from a name that a client sent. */
  readonly configured?: boolean;
}

/** An entry of the model list. */
export interface ListedModel {
  readonly id: string;
  /** Provider id. */
  readonly ownedBy: string;
}

/** The models that providers reported, by provider id. Changes while the gateway runs. */
export type DiscoveredModels = ReadonlyMap<string, readonly UpstreamModel[]>;

const OTHER = 'other';
const NO_MODELS: readonly UpstreamModel[] = [];

/** A model refers to a provider that exists neither in the file nor in the environment, which is read later. */
export class UnknownProviderError extends Error {
  constructor(model: string, provider: string) {
    super(
      `Model "${model}" has a target at provider "${provider}", which is neither under "providers:" nor in the environment. Add it, or correct the name.`,
    );
  }
}

/** Names in UTF-16 units. Clients choose them, and caches of prices, health and budgets keep them. */
const MAX_NAME_LENGTH = 512;

/**
 * Resolves the model names that clients send. In order: configured models and aliases, `provider-id/model`, names that
 * a provider reported or was configured with, and names that match a vendor's naming pattern.
 */
export class ModelDirectory {
  readonly #configured = new Map<string, ModelRoute>();
  readonly #listed: ListedModel[] = [];
  readonly #providers = new Map<string, Provider>();
  /** By provider id; made again when the provider has reported other models. */
  readonly #reports = new Map<
    string,
    { readonly discovered: readonly UpstreamModel[]; readonly names: ReadonlySet<string> }
  >();

  /** @throws UnknownProviderError where a definition refers to a provider that is not in `providers` */
  constructor(
    private readonly definitions: readonly ModelDefinition[],
    providers: readonly Provider[],
    private readonly discovered: () => DiscoveredModels,
  ) {
    for (const provider of providers) this.#providers.set(provider.id, provider);
    for (const definition of definitions) this.#define(definition);
  }

  #define(definition: ModelDefinition): void {
    const targets = definition.targets.flatMap(
      ({ provider: id, model, weight, tier = 0, region, limits }) => {
        const provider = this.#providers.get(id);
        if (!provider) throw new UnknownProviderError(definition.id, id);
        const { timeoutMs } = definition;
        const own = { weight, tier, region: region ?? provider.region, limits, timeoutMs };
        const target: Target = { provider, model, ...own };
        return withEachKey(target);
      },
    );
    const route: ModelRoute = {
      id: definition.id,
      label: definition.id,
      strategy: definition.strategy,
      strategyPlugin: definition.strategyPlugin,
      targets,
      fallbacks: definition.fallbacks,
      fallbacksOn: definition.fallbacksOn ?? {},
      hedging: definition.hedging,
      microBatch: definition.microBatch,
      experiments: definition.experiments,
      escalation: definition.escalation,
      continueStreams: definition.continueStreams ?? false,
      strict: definition.strict ?? false,
      responseMetadata: definition.responseMetadata ?? false,
      bestFor: definition.bestFor ?? [],
      costTier: definition.costTier,
      facts: definition.facts,
      limits: definition.limits,
      configured: true,
    };
    const ownedBy = targets[0]?.provider.id ?? OTHER;
    for (const name of [definition.id, ...definition.aliases]) {
      this.#configured.set(name, route);
      this.#listed.push({ id: name, ownedBy });
    }
  }

  /** @returns the id of the first model with this role */
  withRole(role: string): string | undefined {
    return this.definitions.find(({ roles }) => roles?.includes(role))?.id;
  }

  /** @returns the configured models with their experiments */
  defined(): readonly { readonly id: string; readonly experiments: ExperimentSettings | undefined }[] {
    return this.definitions.map(({ id, experiments }) => ({ id, experiments }));
  }

  /** @returns the route of a configured model or alias; undefined for all other names */
  configuredRoute(name: string): ModelRoute | undefined {
    return this.#configured.get(name);
  }

  /** Whether a provider has listed its models: it was reachable, and accepted its key. */
  hasReported(provider: string): boolean {
    return this.discovered().has(provider);
  }

  /** The routes of the configured models, each once. */
  routes(): readonly ModelRoute[] {
    return [...new Set(this.#configured.values())];
  }

  /** @returns the targets of configured models, by model id */
  targetsByModel(): ReadonlyMap<string, readonly Target[]> {
    return new Map([...this.#configured.values()].map(({ id, targets }) => [id, targets]));
  }

  /** @returns all targets of configured models, without duplicates */
  targets(): Target[] {
    const found = new Map<string, Target>();
    for (const { targets } of this.#configured.values()) {
      for (const target of targets) {
        const { id, account = 1 } = target.provider;
        found.set(`${id}/${target.model}#${account}`, target);
      }
    }
    return [...found.values()];
  }

  /** @returns whether a configured model uses this strategy */
  uses(strategy: StrategyName): boolean {
    return this.definitions.some((definition) => definition.strategy === strategy);
  }

  /** @returns the route of a model name; undefined where nothing matches, or for a longer name than any model has */
  resolve(name: string): ModelRoute | undefined {
    const configured = this.#configured.get(name);
    if (configured || name.length > MAX_NAME_LENGTH) return configured;
    return this.#byProviderPrefix(name) ?? this.#byReport(name) ?? this.#byPattern(name);
  }

  /** @returns every known model name, configured ones first */
  list(): ListedModel[] {
    const seen = new Set(this.#configured.keys());
    const models = [...this.#listed];
    for (const provider of this.#providers.values()) {
      for (const model of this.#reported(provider)) {
        if (seen.has(model)) continue;
        seen.add(model);
        models.push({ id: model, ownedBy: provider.id });
      }
    }
    return models;
  }

  /** @returns known names similar to an unknown one, the most similar first */
  suggest(name: string, limit = 3): string[] {
    const wanted = name.toLowerCase();
    const near: { id: string; score: number }[] = [];
    for (const { id } of this.list()) {
      const known = id.toLowerCase();
      const furthest = Math.max(2, Math.ceil(known.length * 0.4));
      const contains = wanted.length > 2 && (known.includes(wanted) || wanted.includes(known));
      // Texts differ by at least the difference of their lengths: most of thousands of names need no comparison.
      const isClose = Math.abs(wanted.length - known.length) <= furthest;
      const apart = isClose ? distance(wanted, known) : Number.POSITIVE_INFINITY;
      const score = Math.min(contains ? 1 : Number.POSITIVE_INFINITY, apart);
      if (score <= furthest) near.push({ id, score });
    }
    return near
      .sort((a, b) => a.score - b.score || a.id.localeCompare(b.id))
      .slice(0, limit)
      .map(({ id }) => id);
  }

  /** @returns vendors that have models of such a name, where none of them is configured */
  missingVendors(name: string): NamedVendor[] {
    const labels = new Set([...this.#providers.values()].map(({ profile }) => profile.label));
    const vendors = vendorsOfModel(name);
    return vendors.some(({ label }) => labels.has(label)) ? [] : vendors;
  }

  /** The names that a provider was configured with or has reported. */
  #reported(provider: Provider): ReadonlySet<string> {
    const discovered = this.discovered().get(provider.id) ?? NO_MODELS;
    const known = this.#reports.get(provider.id);
    if (known?.discovered === discovered) return known.names;
    const names = new Set([...provider.models, ...discovered.map(({ id }) => id)]);
    this.#reports.set(provider.id, { discovered, names });
    return names;
  }

  #byProviderPrefix(name: string): ModelRoute | undefined {
    const slash = name.indexOf('/');
    if (slash <= 0 || slash === name.length - 1) return undefined;
    const provider = this.#providers.get(name.slice(0, slash));
    if (!provider) return undefined;
    const model = name.slice(slash + 1);
    return direct(
      name,
      this.#reported(provider).has(model) ? name : `${provider.id}/${OTHER}`,
      provider,
      model,
    );
  }

  #byReport(name: string): ModelRoute | undefined {
    for (const provider of this.#providers.values()) {
      if (this.#reported(provider).has(name)) return direct(name, name, provider, name);
    }
    return undefined;
  }

  #byPattern(name: string): ModelRoute | undefined {
    for (const provider of this.#providers.values()) {
      if (provider.profile.modelPattern?.test(name))
        return direct(name, `${provider.id}/${OTHER}`, provider, name);
    }
    return undefined;
  }
}

/** Makes one target per API key of the provider, because each key has its own health and limits. */
function withEachKey(target: Target): readonly Target[] {
  const { accounts = [] } = target.provider;
  return [target, ...accounts.map((provider) => ({ ...target, provider }))];
}

/** The route of a name without a configured model: the only target is the provider itself. */
function direct(id: string, label: string, provider: Provider, model: string): ModelRoute {
  return {
    id,
    label,
    strategy: 'power-of-two',
    targets: withEachKey({ provider, model, weight: 1 }),
    fallbacks: [],
    fallbacksOn: {},
    strict: false,
    facts: undefined,
  };
}
