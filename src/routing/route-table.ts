import type { ModelInfo, ModelOverrides } from '../metering/model-data.ts';
import type { ModelPrice } from '../metering/price-data.ts';
import type { EngineLoad } from '../providers/engine-load.ts';
import type { Target } from '../providers/types.ts';
import type { ModelRoute } from './directory.ts';
import type { TargetState } from './health/target-state.ts';
import type { TargetStates } from './health/target-states.ts';
import type { TargetView } from './strategies/strategy.ts';

type Price = TargetView['price'];
type InfoOf = (target: Target, facts: ModelOverrides | undefined) => ModelInfo;

/** The time of the current evaluation, shared by the targets of a table. Monotonic milliseconds. */
interface RouteClock {
  now: number;
}

/** A target of a model with its state, shared by all requests. */
export class RouteTarget implements TargetView {
  price: Price;
  engine: EngineLoad | undefined;
  #price: ModelPrice | undefined;
  /** Capabilities that the model data denies. */
  readonly lacksTools: boolean;
  readonly lacksVision: boolean;

  constructor(
    readonly target: Target,
    readonly route: ModelRoute,
    readonly state: TargetState,
    readonly index: number,
    private readonly clock: RouteClock,
    infoOf: InfoOf | undefined,
  ) {
    const capabilities = infoOf?.(target, route.facts).capabilities;
    this.lacksTools = capabilities?.tools === false;
    this.lacksVision = capabilities?.vision === false;
  }

  get inflight(): number {
    return this.state.inflight;
  }

  get timePerTokenMs(): number | undefined {
    return this.state.timePerToken.at(this.clock.now);
  }

  get idleTimePerTokenMs(): number | undefined {
    return this.state.idleTimePerToken.value;
  }

  /** Sets the price of the request that is routed now: tenants may have prices of their own. */
  setPrice(price: ModelPrice | undefined): void {
    if (price === this.#price) return;
    this.#price = price;
    this.price =
      price?.input && price.output
        ? {
            input: Number(price.input.base),
            output: Number(price.output.base),
            cached: Number((price.cachedInput ?? price.input).base),
          }
        : undefined;
  }
}

/** The targets of a model, prepared for selection once per configuration. */
export class RouteTable {
  /** Targets with a weight above 0, by tier, the lowest tier first. */
  readonly tiers: readonly (readonly RouteTarget[])[];
  readonly candidates: readonly RouteTarget[];
  /** Targets that are never tried. */
  readonly zeroWeight: readonly Target[];
  /** Whether a target lacks a capability, so that requests have to be checked for it. */
  readonly hasCapabilityFilter: boolean;
  /** Whether all candidates have the same weight. */
  readonly equalWeights: boolean;
  readonly states: ReadonlySet<TargetState>;
  readonly clock: RouteClock = { now: 0 };

  constructor(route: ModelRoute, states: TargetStates, infoOf: InfoOf | undefined) {
    const candidates = route.targets
      .filter(({ weight }) => weight > 0)
      .sort((a, b) => (a.tier ?? 0) - (b.tier ?? 0))
      .map(
        (target, index) =>
          new RouteTarget(
            target,
            route,
            route.configured ? states.retain(target) : states.of(target),
            index,
            this.clock,
            infoOf,
          ),
      );
    const tiers = [...new Set(candidates.map(({ target }) => target.tier ?? 0))];
    this.tiers = tiers.map((tier) => candidates.filter(({ target }) => (target.tier ?? 0) === tier));
    this.candidates = candidates;
    this.zeroWeight = route.targets.filter(({ weight }) => weight <= 0);
    this.equalWeights = candidates.every(({ target }) => target.weight === candidates[0]?.target.weight);
    this.states = new Set(candidates.map(({ state }) => state));
    this.hasCapabilityFilter = candidates.some(({ lacksTools, lacksVision }) => lacksTools || lacksVision);
  }
}
