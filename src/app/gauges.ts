import type { Config } from '../config/schema.ts';
import type { EnginePool } from '../engines/engine-pool.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Provider } from '../providers/types.ts';
import type { ModelDirectory } from '../routing/directory.ts';
import type { Experiments } from '../routing/experiments/experiments.ts';
import type { TargetStates } from '../routing/health/target-states.ts';

/** Gauges that are read off when somebody asks for the metrics. */

export interface TargetsNow {
  readonly directory: ModelDirectory;
  readonly providers: readonly Provider[];
  readonly states: TargetStates;
  /** Monotonic milliseconds. */
  readonly now: number;
}

const PLACES = { closed: 0, 'half-open': 1, open: 2 } as const;

/** Only targets of configured models are labels: clients may name any other. */
export function describeTargets(metrics: Metrics, { directory, providers, states, now }: TargetsNow): void {
  const { providerHealthy, breakerState, queueDepth } = metrics;
  queueDepth.labels().set(states.queued());
  providerHealthy.reset();
  breakerState.reset();
  for (const target of directory.targets()) {
    breakerState.labels(target.provider.id, target.model).set(PLACES[states.of(target).breakerState(now)]);
  }
  for (const { id } of providers) {
    const used = [...states.ofProvider(id)];
    const usable = used.some((state) => state.unavailable(now) === undefined);
    providerHealthy.labels(id).set(states.healthOf(id) === false || (used.length > 0 && !usable) ? 0 : 1);
  }
}

export function describeEngines({ engineLoaded }: Metrics, pool: EnginePool): void {
  engineLoaded.reset();
  for (const { id, state } of pool.list()) engineLoaded.labels(id).set(state === 'ready' ? 1 : 0);
}

export function describeCanaries({ canaryActive }: Metrics, experiments: Experiments): void {
  canaryActive.reset();
  for (const { model, state } of experiments.canaries()) {
    canaryActive.labels(model).set(state === 'running' ? 1 : 0);
  }
}

export function describeModels({ modelInfo }: Metrics, { models }: Config): void {
  modelInfo.reset();
  for (const { id, targets } of models) {
    for (const { provider } of targets) modelInfo.labels(id, provider).set(1);
  }
}
