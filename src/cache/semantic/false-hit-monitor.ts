import { LRUCache } from 'lru-cache';

export interface FalseHitBounds {
  /** The largest share of false hits, from 0 to 1. */
  readonly maxShare: number;
  /** Verified hits before the share counts. */
  readonly minSamples: number;
  /** How long nothing is served after that. Milliseconds. */
  readonly pauseMs: number;
}

/** What verification found for one model of a tenant. */
export interface FalseHitState {
  /** The last verified hits. */
  readonly samples: number;
  /** Share of them whose responses differ. */
  readonly share: number;
  /** Unix milliseconds until which nothing is served; undefined where it is. */
  readonly disabledUntil: number | undefined;
  /** What disabled it last; undefined where nothing did. */
  readonly disabledBy: DisabledBy | undefined;
}

/** The comparison that exceeded the bound. */
export interface DisabledBy {
  /** Unix milliseconds. */
  readonly at: number;
  readonly samples: number;
  readonly share: number;
  /** The bound. */
  readonly maxShare: number;
}

/** The state of one model of a tenant. */
export interface PairState extends FalseHitState {
  readonly tenant: string;
  readonly model: string;
}

interface Window {
  /** Whether each of the last verified hits was false. */
  readonly results: boolean[];
  next: number;
  disabledUntil: number;
  disabledBy: DisabledBy | undefined;
}

/** Verified hits that count. */
const WINDOW = 200;
/** Pairs of tenant and model; the one that was used least recently starts again. */
const MAX_PAIRS = 10_000;

/** Measures the share of hits whose response is not what the model responds now, and stops serving above a bound. */
export class FalseHitMonitor {
  readonly #windows = new LRUCache<string, Window>({ max: MAX_PAIRS });

  /** @param wallTime Unix milliseconds */
  constructor(private readonly wallTime: () => number) {}

  isDisabled(tenant: string, model: string): boolean {
    const until = this.#windows.get(nameOf(tenant, model))?.disabledUntil ?? 0;
    return this.wallTime() < until;
  }

  /** @returns the state after a verified hit; `isNewlyDisabled` with the one that exceeds the bound */
  add(
    tenant: string,
    model: string,
    isFalse: boolean,
    { maxShare, minSamples, pauseMs }: FalseHitBounds,
  ): FalseHitState & { readonly isNewlyDisabled: boolean } {
    const name = nameOf(tenant, model);
    const window = this.#windows.get(name) ?? {
      ...{ results: [], next: 0, disabledUntil: 0, disabledBy: undefined },
    };
    this.#windows.set(name, window);
    window.results[window.next] = isFalse;
    window.next = (window.next + 1) % WINDOW;
    const { samples, share } = sharesOf(window);
    const now = this.wallTime();
    const isNewlyDisabled = samples >= minSamples && share > maxShare && now >= window.disabledUntil;
    if (isNewlyDisabled) {
      // What comes after the pause is measured again.
      window.disabledUntil = now + pauseMs;
      window.disabledBy = { at: now, samples, share, maxShare };
      window.results.length = 0;
      window.next = 0;
    }
    const { disabledBy } = window;
    return { samples, share, disabledUntil: disabledUntil(window, now), disabledBy, isNewlyDisabled };
  }

  state(tenant: string, model: string): FalseHitState | undefined {
    const window = this.#windows.get(nameOf(tenant, model));
    return window && stateOf(window, this.wallTime());
  }

  /** @returns the state of each pair that was measured, of one tenant or of all */
  states(tenant: string | undefined): readonly PairState[] {
    const now = this.wallTime();
    return [...this.#windows].flatMap(([name, window]) => {
      const [ofTenant, model] = pairOf(name);
      if (tenant !== undefined && tenant !== ofTenant) return [];
      return [{ tenant: ofTenant, model, ...stateOf(window, now) }];
    });
  }

  /** Serves again, as after the entries of a tenant or model were cleared. Absent members select all. */
  reset(tenant: string | undefined, model: string | undefined): void {
    for (const name of [...this.#windows.keys()]) {
      const [ofTenant, ofModel] = pairOf(name);
      if ((tenant ?? ofTenant) === ofTenant && (model ?? ofModel) === ofModel) this.#windows.delete(name);
    }
  }
}

function stateOf(window: Window, now: number): FalseHitState {
  const { disabledBy } = window;
  return { ...sharesOf(window), disabledUntil: disabledUntil(window, now), disabledBy };
}

function nameOf(tenant: string, model: string): string {
  return JSON.stringify([tenant, model]);
}

function pairOf(name: string): readonly [tenant: string, model: string] {
  const [tenant, model]: readonly unknown[] = JSON.parse(name);
  return [String(tenant), String(model)];
}

function sharesOf({ results }: Window): { readonly samples: number; readonly share: number } {
  const samples = results.length;
  const wrong = results.filter(Boolean).length;
  return { samples, share: samples === 0 ? 0 : wrong / samples };
}

function disabledUntil({ disabledUntil: until }: Window, now: number): number | undefined {
  return now < until ? until : undefined;
}
