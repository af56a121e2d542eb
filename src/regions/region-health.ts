/** When a region counts as unavailable, and when it is available again. */
export interface RegionHealthSettings {
  /** Consecutive failed checks before a region is down. */
  readonly failures: number;
  /** Consecutive successful checks before it is up again. */
  readonly successes: number;
}

/** What is known of another region. */
export interface RegionStatus {
  readonly isUp: boolean;
  /** Wall-clock milliseconds of the last change; undefined before the first one. */
  readonly changedAt: number | undefined;
  /** Duration of the last successful check. Milliseconds. */
  readonly latencyMs: number | undefined;
  /** Why the last check failed; undefined after one that succeeded. */
  readonly fault: string | undefined;
}

interface State {
  isUp: boolean;
  /** Consecutive checks that contradict `isUp`. */
  against: number;
  changedAt: number | undefined;
  latencyMs: number | undefined;
  fault: string | undefined;
}

/** The result of one check. */
export type RegionCheck = { readonly latencyMs: number } | { readonly fault: string };

/**
 * The health of other regions, as this process measures it, with hysteresis: single failed checks change nothing, and neither
 * do single successful ones while a region is down. Regions are up until checks say otherwise.
 */
export class RegionHealth {
  readonly #states = new Map<string, State>();

  /** @param onChange called when a region goes down or comes up */
  constructor(
    /** Unix milliseconds. */
    private readonly now: () => number,
    private readonly onChange: (region: string, isUp: boolean, fault: string | undefined) => void,
  ) {}

  isUp(region: string): boolean {
    return this.#states.get(region)?.isUp ?? true;
  }

  status(region: string): RegionStatus {
    return this.#states.get(region) ?? UNKNOWN;
  }

  record(region: string, check: RegionCheck, { failures, successes }: RegionHealthSettings): void {
    const state = this.#states.get(region) ?? { ...UNKNOWN, against: 0 };
    this.#states.set(region, state);
    const succeeded = 'latencyMs' in check;
    state.fault = succeeded ? undefined : check.fault;
    if (succeeded) state.latencyMs = check.latencyMs;
    if (succeeded === state.isUp) {
      state.against = 0;
      return;
    }
    state.against += 1;
    if (state.against < (succeeded ? successes : failures)) return;
    state.isUp = succeeded;
    state.against = 0;
    state.changedAt = this.now();
    this.onChange(region, succeeded, state.fault);
  }

  /** Forgets regions that the configuration has no more. */
  keep(regions: readonly string[]): void {
    for (const region of this.#states.keys()) if (!regions.includes(region)) this.#states.delete(region);
  }
}

const UNKNOWN: RegionStatus = {
  isUp: true,
  changedAt: undefined,
  latencyMs: undefined,
  fault: undefined,
};
