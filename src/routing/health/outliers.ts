import type { TargetState } from './target-state.ts';

/** The recent requests of one target. */
export interface OutlierSample {
  readonly requests: number;
  readonly failures: number;
}

export interface OutlierSettings {
  /** Requests that a target needs to be compared, and targets of a model with as many. */
  readonly minRequests: number;
  readonly minTargets: number;
  /** Standard deviations above the mean error rate that make an outlier. */
  readonly deviations: number;
  /** Share of a model's targets that may be ejected, 0 to 1. */
  readonly maxEjected: number;
  readonly ejectMs: number;
}

export const DEFAULT_OUTLIERS: OutlierSettings = {
  minRequests: 20,
  minTargets: 3,
  deviations: 1.9,
  maxEjected: 0.34,
  ejectMs: 30_000,
};

/** An error rate up to this is never an outlier. */
const ACCEPTABLE_ERROR_RATE = 0.05;

/**
 * Finds targets that fail far more often than the others of their model, by the method of Envoy's success-rate outlier
 * detection. Unlike breakers, it finds a target that fails one request in five while the others fail none.
 * @param ejected targets of the model that are ejected already
 * @returns indices, the highest error rate first; at most as many as may still be ejected
 */
export function outliers(
  samples: readonly OutlierSample[],
  ejected: number,
  { minRequests, minTargets, deviations, maxEjected }: OutlierSettings,
): number[] {
  const judged = samples.flatMap(({ requests, failures }, index) =>
    requests >= minRequests ? [{ index, rate: failures / requests }] : [],
  );
  if (judged.length < minTargets) return [];
  const mean = judged.reduce((sum, { rate }) => sum + rate, 0) / judged.length;
  const variance = judged.reduce((sum, { rate }) => sum + (rate - mean) ** 2, 0) / judged.length;
  // With few targets, a single one cannot deviate far from a mean that it dominates.
  const reach = Math.min(deviations, Math.sqrt(judged.length - 1) * 0.95);
  const limit = Math.max(mean + reach * Math.sqrt(variance), ACCEPTABLE_ERROR_RATE);
  const room = Math.floor(samples.length * maxEjected) - ejected;
  return judged
    .filter(({ rate }) => rate > limit)
    .sort((a, b) => b.rate - a.rate)
    .slice(0, Math.max(0, room))
    .map(({ index }) => index);
}

/** Ejects the outliers among the targets of one model. @returns their indices */
export function ejectOutliers(
  states: readonly TargetState[],
  settings: OutlierSettings,
  now: number,
): number[] {
  const ejected = states.filter((state) => state.unavailable(now) === 'ejected').length;
  const found = outliers(
    // Unavailable targets get no requests, so their counts say nothing.
    states.map((state) =>
      state.unavailable(now) === undefined ? state.breakers.recent(now) : { requests: 0, failures: 0 },
    ),
    ejected,
    settings,
  );
  for (const index of found) states[index]?.eject(now, settings.ejectMs);
  return found;
}
