/** The state of one alert; times are Unix milliseconds. */
export interface AlertState {
  readonly state: 'pending' | 'firing' | 'resolved';
  /** Since when the condition holds. */
  readonly since: number;
  readonly firedAt: number | null;
  /** Since when the condition of a firing alert is over. */
  readonly clearSince: number | null;
  readonly resolvedAt: number | null;
  /** Earlier alerts about the same, each soon after the one before. */
  readonly flaps: number;
}

export interface Timing {
  /** Milliseconds that a condition has to hold. */
  readonly forMs: number;
  /** Milliseconds that it has to be over. */
  readonly keepFiringMs: number;
}

/** An alert that begins again within this time after its end flaps. Milliseconds. */
export const FLAP_MS = 3_600_000;
/** Each recurrence doubles the time until an alert is resolved, up to this. Milliseconds. */
const MAX_KEEP_MS = 30 * 60_000;
/** Used for the doubling where a rule resolves at once. Milliseconds. */
const FLAP_KEEP_MS = 60_000;

/** @returns milliseconds that a condition has to be over before its alert is resolved */
export function keepFiringMs({ keepFiringMs: base }: Pick<Timing, 'keepFiringMs'>, flaps: number): number {
  if (flaps === 0) return base;
  const damped = Math.max(base, FLAP_KEEP_MS) * 2 ** Math.min(flaps, 10);
  return Math.max(base, Math.min(MAX_KEEP_MS, damped));
}

/**
 * The next state of an alert.
 * @param current undefined without an alert
 * @param holds whether the condition holds now
 * @param flaps of a new alert
 * @returns undefined for none: a pending alert whose condition is over leaves no trace
 */
export function nextState(
  current: AlertState | undefined,
  holds: boolean,
  timing: Timing,
  flaps: number,
  now: number,
): AlertState | undefined {
  if (current === undefined) {
    if (!holds) return undefined;
    const begun = { since: now, clearSince: null, resolvedAt: null, flaps };
    return timing.forMs === 0
      ? { ...begun, state: 'firing', firedAt: now }
      : { ...begun, state: 'pending', firedAt: null };
  }
  if (current.state === 'pending') {
    if (!holds) return undefined;
    return now - current.since >= timing.forMs ? { ...current, state: 'firing', firedAt: now } : current;
  }
  if (current.state === 'resolved') return current;
  if (holds) return current.clearSince === null ? current : { ...current, clearSince: null };
  const clearSince = current.clearSince ?? now;
  const isOver = now - clearSince >= keepFiringMs(timing, current.flaps);
  return isOver ? { ...current, clearSince, state: 'resolved', resolvedAt: now } : { ...current, clearSince };
}
