import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { RateLimitStatus } from '../core/rate-limit.ts';

export interface AddressRules {
  /** Requests per second that refill the allowance. */
  readonly rps: number;
  /** The allowance: requests that may come at once. */
  readonly burst: number;
  /** Requests at the same time; null for any number. */
  readonly inflight: number | null;
}

export interface AddressLimits {
  readonly rules: AddressRules | null;
  /** How long a request may wait for a place, in milliseconds. */
  readonly queueTimeoutMs: number;
}

interface Waiter {
  enter(): void;
}

interface AddressState {
  tokens: number;
  updatedAt: number;
  inflight: number;
  readonly waiting: Set<Waiter>;
}

/** Addresses that are remembered before those at rest are forgotten. */
const MAX_IDLE_ADDRESSES = 10_000;

/**
 * What one client address may use, held in memory: a token bucket for the rate (no window edges to burst over)
 * and a count of requests in flight, for which a request waits its turn.
 */
export class AddressLimiter {
  readonly #states = new Map<string, AddressState>();

  constructor(
    private readonly clock: Clock,
    private readonly limits: () => AddressLimits,
    private readonly onRefused: () => void,
  ) {}

  get enabled(): boolean {
    return this.limits().rules !== null;
  }

  /**
   * Takes one request from the address's allowance.
   * @returns the state of the allowance; undefined where addresses are not limited
   * @throws GatewayError `rate_limit_exceeded`
   */
  spend(address: string): RateLimitStatus | undefined {
    const { rules } = this.limits();
    if (!rules) return undefined;
    const state = this.#state(address, rules);
    const allowed = state.tokens >= 1;
    if (allowed) state.tokens -= 1;
    const rateLimit: RateLimitStatus = {
      limit: rules.burst,
      remaining: Math.floor(state.tokens),
      resetSeconds: Math.ceil((rules.burst - state.tokens) / rules.rps),
    };
    if (allowed) return rateLimit;
    this.onRefused();
    const wait = Math.max(1, Math.ceil((1 - state.tokens) / rules.rps));
    throw new GatewayError(
      'rate_limit_exceeded',
      `Too many requests from this address: ${rules.rps} per second with bursts of ${rules.burst} are allowed (limits.per_ip). Try again in ${wait} s.`,
      { retryAfterSeconds: wait, rateLimit },
    );
  }

  /**
   * Takes a place among the requests in flight, waiting for one if need be.
   * @returns gives the place back; calling it again changes nothing
   * @throws GatewayError `rate_limit_exceeded` when no place came free in time; the signal's reason when it aborts
   */
  async enter(address: string, signal: AbortSignal): Promise<() => void> {
    const { rules, queueTimeoutMs } = this.limits();
    if (!rules || rules.inflight === null) return () => undefined;
    const state = this.#state(address, rules);
    if (state.inflight >= rules.inflight) await this.#wait(state, rules.inflight, queueTimeoutMs, signal);
    else state.inflight += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const [next] = state.waiting;
      // A place goes straight to the one who waits, so that nobody slips in between.
      if (next) next.enter();
      else state.inflight -= 1;
    };
  }

  async #wait(state: AddressState, inflight: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    // An abort that has been is not announced again.
    signal.throwIfAborted();
    const timeout = new AbortController();
    const { promise: entered, resolve } = Promise.withResolvers<void>();
    let inside = false;
    const waiter: Waiter = {
      enter: () => {
        inside = true;
        state.waiting.delete(waiter);
        resolve();
      },
    };
    state.waiting.add(waiter);
    const stop = () => timeout.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    try {
      await Promise.race([entered, this.clock.sleep(timeoutMs, timeout.signal)]);
    } catch (error) {
      // Whoever was let in owns the place, even if the time ran out in the same moment.
      if (!inside) throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      state.waiting.delete(waiter);
      timeout.abort();
    }
    if (inside) return;
    this.onRefused();
    throw new GatewayError(
      'rate_limit_exceeded',
      `Too many requests at the same time from this address: ${inflight} are allowed (limits.per_ip.inflight), and none ended within ${timeoutMs} ms.`,
      { retryAfterSeconds: Math.max(1, Math.ceil(timeoutMs / 1000)) },
    );
  }

  #state(address: string, rules: AddressRules): AddressState {
    const now = this.clock.now();
    let state = this.#states.get(address);
    if (!state) {
      if (this.#states.size >= MAX_IDLE_ADDRESSES) this.#evictIdle(now, rules);
      state = { tokens: rules.burst, updatedAt: now, inflight: 0, waiting: new Set() };
      this.#states.set(address, state);
      return state;
    }
    state.tokens = Math.min(rules.burst, state.tokens + ((now - state.updatedAt) / 1000) * rules.rps);
    state.updatedAt = now;
    return state;
  }

  /** An address whose allowance has filled up again is like one that was never seen. */
  #evictIdle(now: number, rules: AddressRules): void {
    for (const [address, state] of this.#states) {
      const tokens = state.tokens + ((now - state.updatedAt) / 1000) * rules.rps;
      if (state.inflight === 0 && tokens >= rules.burst) this.#states.delete(address);
    }
  }
}
