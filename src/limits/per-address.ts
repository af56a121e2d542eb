import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { RateLimitStatus } from '../core/rate-limit.ts';
import type { EventSink } from '../events/event-bus.ts';
import { ClientTable } from './client-table.ts';

export interface AddressRules {
  /** Requests per second. */
  readonly rps: number;
  /** Capacity of the token bucket: requests that may arrive at once. */
  readonly burst: number;
  /** Concurrent requests; null for no limit. */
  readonly inflight: number | null;
}

export interface AddressLimits {
  readonly rules: AddressRules | null;
  /** Milliseconds that a request may wait for a concurrency slot. */
  readonly queueTimeoutMs: number;
}

/** What ends a wait. Its signal is read by requests that wait, since making one costs more than the check. */
export interface AbortSource {
  readonly signal: AbortSignal;
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

/**
 * Limits each client address, in this gateway's memory: a token bucket for the rate, which unlike a fixed window allows
 * no double burst, and a number of concurrency slots with a first-in, first-out queue.
 */
export class AddressLimiter {
  readonly #states: ClientTable<AddressState>;

  constructor(
    private readonly clock: Clock,
    private readonly limits: () => AddressLimits,
    private readonly events: EventSink,
  ) {
    this.#states = new ClientTable<AddressState>({
      create: () => ({
        tokens: limits().rules?.burst ?? 0,
        updatedAt: clock.now(),
        inflight: 0,
        waiting: new Set(),
      }),
      used: (state) => this.#used(state),
    });
  }

  /** Addresses that have a state. */
  get size(): number {
    return this.#states.size;
  }

  get enabled(): boolean {
    return this.limits().rules !== null;
  }

  /**
   * Takes one request from the address's token bucket.
   *
   * @param address the client's key (`core/client-identity.ts`)
   * @returns the state of the bucket; undefined where addresses are not limited
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
    this.events.emit('limit.hit', { scope: 'ip', mode: 'enforce', refused: true });
    const wait = Math.max(1, Math.ceil((1 - state.tokens) / rules.rps));
    throw new GatewayError(
      'rate_limit_exceeded',
      `Too many requests from this address: ${rules.rps} per second with bursts of ${rules.burst} are allowed (limits.per_ip). Try again in ${wait} s.`,
      { retryAfterSeconds: wait, rateLimit },
    );
  }

  /**
   * Takes a concurrency slot of the address, and waits for one if necessary.
   *
   * @param abort read where the request waits
   * @returns a function that releases the slot; only its first call has an effect
   * @throws GatewayError `rate_limit_exceeded` when no slot is free in time; the signal's reason when it aborts
   */
  async enter(address: string, abort: AbortSource): Promise<() => void> {
    const { rules, queueTimeoutMs } = this.limits();
    if (!rules || rules.inflight === null) return () => undefined;
    const state = this.#state(address, rules);
    if (state.inflight >= rules.inflight)
      await this.#wait(state, rules.inflight, queueTimeoutMs, abort.signal);
    else state.inflight += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const [next] = state.waiting;
      // The slot passes directly to the first waiting request, so that no new request overtakes it.
      if (next) next.enter();
      else state.inflight -= 1;
    };
  }

  async #wait(state: AddressState, inflight: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    // A signal that has already aborted sends no event.
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
      // The slot was granted in the same turn as the timeout or abort: the caller owns it.
      if (!inside) throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      state.waiting.delete(waiter);
      timeout.abort();
    }
    if (inside) return;
    this.events.emit('limit.hit', { scope: 'ip', mode: 'enforce', refused: true });
    throw new GatewayError(
      'rate_limit_exceeded',
      `Too many concurrent requests from this address: ${inflight} are allowed (limits.per_ip.inflight), and none ended within ${timeoutMs} ms.`,
      { retryAfterSeconds: Math.max(1, Math.ceil(timeoutMs / 1000)) },
    );
  }

  #state(address: string, rules: AddressRules): AddressState {
    const state = this.#states.of(address);
    const now = this.clock.now();
    state.tokens = refilled(state, rules, now);
    state.updatedAt = now;
    return state;
  }

  /** Clients that hold a slot, wait for one or are refused keep their state. */
  #used(state: AddressState): number | undefined {
    const { rules } = this.limits();
    if (state.inflight > 0 || state.waiting.size > 0) return undefined;
    if (!rules) return 0;
    const tokens = refilled(state, rules, this.clock.now());
    return tokens < 1 ? undefined : 1 - tokens / rules.burst;
  }
}

function refilled({ tokens, updatedAt }: AddressState, { burst, rps }: AddressRules, now: number): number {
  return Math.min(burst, tokens + ((now - updatedAt) / 1000) * rps);
}
