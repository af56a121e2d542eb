import type { TargetState } from './target-state.ts';

/** How a target has done of late, beside others of the same model. */
export interface OutlierSample {
  readonly requests: number;
  readonly failures: number;
}

export interface OutlierSettings {
  /** Requests before a target is judged, and targets that have as many. */
  readonly minRequests: number;
  readonly minTargets: number;
  /** How many standard deviations worse than the mean an outlier is. */
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

/** A share of failures that is nothing to speak of, however good the others are. */
const HARMLESS = 0.05;

/**
 * Those that fail far more often than the others of their model, the worst first, as Envoy's outlier detection by
 * success rate has it. It finds what breakers don't: a target that fails one request in five when its peers fail none.
 * @returns indices; no more than may be ejected beside those that are already
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
  // With few targets, one alone can't be many deviations from a mean that it has a large part in.
  const reach = Math.min(deviations, Math.sqrt(judged.length - 1) * 0.95);
  const limit = Math.max(mean + reach * Math.sqrt(variance), HARMLESS);
  const room = Math.floor(samples.length * maxEjected) - ejected;
  return judged
    .filter(({ rate }) => rate > limit)
    .sort((a, b) => b.rate - a.rate)
    .slice(0, Math.max(0, room))
    .map(({ index }) => index);
}

/** Ejects the outliers among the targets of one model. @returns which of them, by index */
export function ejectOutliers(
  states: readonly TargetState[],
  settings: OutlierSettings,
  now: number,
): number[] {
  const ejected = states.filter((state) => state.unavailable(now) === 'ejected').length;
  const found = outliers(
    // Who is left alone already, for whatever reason, has nothing to be judged by.
    states.map((state) =>
      state.unavailable(now) === undefined ? state.breaker.recent(now) : { requests: 0, failures: 0 },
    ),
    ejected,
    settings,
  );
  for (const index of found) states[index]?.eject(now, settings.ejectMs);
  return found;
}
