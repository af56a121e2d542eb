import { GatewayError } from '../../core/errors.ts';
import type { Operation } from '../../core/inference.ts';
import { SlotList, type Slotted } from '../../core/slot-list.ts';
import { workUnits } from '../../core/token-estimate.ts';
import type { QueueTenant, TargetGate } from '../admission/target-gate.ts';
import type { BreakerSettings, BreakerState, CircuitBreaker } from './breaker.ts';
import { PeakEwma, RecentLowest, RecentQuantiles } from './latency.ts';
import { OperationBreakers } from './operation-breakers.ts';

/** Settings of breakers, cooldowns and slow start. */
export interface HealthSettings {
  readonly breaker: BreakerSettings;
  /** Cooldown after a rate-limit response without `Retry-After`, and the longest cooldown. Milliseconds. */
  readonly coolDownMs: number;
  readonly longestCoolDownMs: number;
  /** How long a recovered target gets less than its share of the load, in milliseconds. */
  readonly slowStartMs: number;
}

export const DEFAULT_HEALTH: HealthSettings = {
  breaker: { failures: 5, errorRate: 0.5, minRequests: 20, openMs: 30_000 },
  coolDownMs: 2_000,
  longestCoolDownMs: 5 * 60_000,
  slowStartMs: 30_000,
};

/** An operator's decision, which overrides all measurements. `drain` and `disable` stop new requests; `force` lets all pass. */
export type Override = 'drain' | 'disable' | 'force';

/** Why a target is not available. */
export type Unavailable = 'disabled' | 'draining' | 'unhealthy' | 'breaker_open' | 'cooling_down' | 'ejected';

/** Failures that indicate an unhealthy target; others come from the request, or from a limit of an account. */
const OUTLIER_CODES: ReadonlySet<string> = new Set([
  'upstream_error',
  'upstream_unreachable',
  'upstream_closed',
  'upstream_invalid_response',
  'upstream_overloaded',
  'upstream_timeout',
  'upstream_auth_failed',
]);

/** Failures of a target that does not respond, in contrast to one that responds with an error. */
const NO_RESPONSE_CODES: ReadonlySet<string> = new Set(['upstream_timeout', 'upstream_unreachable']);

/** Failures that indicate an overloaded target. */
const OVERLOAD_CODES: ReadonlySet<string> = new Set(['upstream_timeout', 'upstream_overloaded']);

/** Cooldown after a rejected credential. */
const BAD_KEY_COOLDOWN_MS = 60_000;

/** The share of the load with which slow start begins. */
const SLOW_START_MIN_SHARE = 0.1;

/** One attempt on a target. It occupies a concurrency slot from `begin` until `end` or `release`. */
export interface InFlightLease {
  /** Its outcome decides on a half-open breaker. */
  readonly probe: boolean;
  /** Set by the caller: called when the target stops responding before this attempt has a response. */
  onAbandon: ((reason: GatewayError) => void) | undefined;
  /** Call when the request is sent; from then on time per token is measured. */
  sent(now: number): void;
  /** Releases the slot if the request was not sent. */
  release(now: number): void;
  /** Call when the first event of a stream, or a complete response, has arrived. */
  responseStarted(now: number): void;
  /**
   * Ends the attempt and releases its slot; later calls change nothing.
   * @param error why it failed; undefined after a success, `null` after the client disconnected
   * @param tokens output tokens; undefined where unknown
   */
  end(now: number, error: GatewayError | null | undefined, tokens: number | undefined): void;
}

/** The state of one target: measurements, health checks and operator decisions. */
export class TargetState {
  /** Attempts in flight. */
  inflight = 0;
  /** A configured route refers to it, so it is never dropped. */
  retained = false;
  /** The concurrency limit and its queue; undefined where attempts are not limited. */
  gate: TargetGate | undefined;
  #override: Override | undefined;
  #healthy: boolean | undefined;
  /** Milliseconds per token, with the wait for the first token spread over several. */
  readonly timePerToken = new PeakEwma();
  /** The same of the quickest recent attempts. */
  readonly idleTimePerToken = new RecentLowest();
  /** Milliseconds until the first event of a stream. */
  readonly firstEvent = new RecentQuantiles();
  readonly breakers: OperationBreakers;
  successes = 0;
  failures = 0;
  lastFailure: { readonly code: string; readonly message: string; readonly at: number } | undefined;
  lastUsedAt = 0;
  /** Attempts without a response. */
  readonly #waiting = new SlotList<OpenLease>();
  #coolUntil = 0;
  #ejectedUntil = 0;
  #recoveredAt: number | undefined;

  /**
   * @param settings the settings in force
   * @param onUnhealthy called when the target may have stopped being healthy
   */
  constructor(
    private readonly settings: () => HealthSettings,
    private readonly onUnhealthy: (state: TargetState) => void = () => undefined,
    /** The model and API key that the state belongs to. */
    readonly of: { readonly model: string; readonly account: number | undefined } = {
      model: '',
      account: undefined,
    },
  ) {
    this.breakers = new OperationBreakers(() => this.settings().breaker);
  }

  get override(): Override | undefined {
    return this.#override;
  }

  /** Sets or removes an operator's decision. */
  decide(override: Override | undefined, now: number): void {
    this.#override = override;
    this.onUnhealthy(this);
    this.admitWaiting(now);
  }

  /** Whether the target is at its concurrency limit. */
  get full(): boolean {
    return this.gate !== undefined && this.inflight >= this.gate.limit;
  }

  /** The verdict of health checks; undefined where none are made. */
  get healthy(): boolean | undefined {
    return this.#healthy;
  }

  /** Sets the verdict of health checks. */
  checked(healthy: boolean, now: number): void {
    const before = this.#healthy;
    this.#healthy = healthy;
    if (!healthy) this.onUnhealthy(this);
    if (healthy && before === false) this.recovered(now);
    if (!healthy && before !== false) this.#abortPending('no longer responds to health checks');
    this.admitWaiting(now);
  }

  /** @returns whether it is available without any restriction or concurrency limit */
  isHealthy(now: number): boolean {
    return (
      this.#override === undefined &&
      this.#healthy !== false &&
      this.gate === undefined &&
      now >= this.#coolUntil &&
      now >= this.#ejectedUntil &&
      this.breakers.state(now) === 'closed' &&
      this.share(now) === 1
    );
  }

  /**
   * @param operation that a request needs; absent for any operation that was used
   * @returns why it is not available; undefined where it is
   */
  unavailable(now: number, operation?: Operation): Unavailable | undefined {
    switch (this.#override) {
      case 'force':
        return undefined;
      case 'disable':
        return 'disabled';
      case 'drain':
        return 'draining';
    }
    if (this.#healthy === false) return 'unhealthy';
    if (!this.breakers.admits(now, operation)) return 'breaker_open';
    if (now < this.#coolUntil) return 'cooling_down';
    return now < this.#ejectedUntil ? 'ejected' : undefined;
  }

  /** @returns monotonic milliseconds at which it becomes available; Infinity where operators or checks decide that */
  availableAt(now: number, operation?: Operation): number {
    const reason = this.unavailable(now, operation);
    if (reason === undefined) return now;
    if (reason === 'breaker_open') {
      return Math.max(now, this.breakers.openUntil(operation), this.#coolUntil);
    }
    if (reason === 'cooling_down') return Math.max(this.#coolUntil, this.#ejectedUntil);
    return reason === 'ejected' ? this.#ejectedUntil : Number.POSITIVE_INFINITY;
  }

  /** @returns the state of the circuit breaker of the operation that is worst off */
  breakerState(now: number): BreakerState {
    return this.breakers.state(now);
  }

  /** @returns the share of its normal load, above 0 to 1; below 1 during slow start */
  share(now: number): number {
    if (this.#recoveredAt === undefined) return 1;
    const { slowStartMs } = this.settings();
    const share = (now - this.#recoveredAt) / Math.max(1, slowStartMs);
    if (share >= 1) {
      this.#recoveredAt = undefined;
      return 1;
    }
    return Math.max(SLOW_START_MIN_SHARE, share);
  }

  /**
   * Takes a concurrency slot for an attempt.
   * @param now monotonic milliseconds
   * @param stream whether the time to the first event is measured
   * @param queueTenant whose share of the queue is charged; only for targets with a concurrency limit
   * @param charged whether the queue has charged it already
   * @param operation whose circuit breaker counts its outcome
   */
  begin(
    now: number,
    stream = false,
    queueTenant?: QueueTenant,
    charged = false,
    operation: Operation = 'chat',
  ): InFlightLease {
    this.inflight += 1;
    this.lastUsedAt = now;
    if (queueTenant && !charged) this.gate?.attemptStarted(queueTenant);
    const lease = new OpenLease(this, now, this.breakers.of(operation), stream, queueTenant);
    this.#waiting.add(lease);
    return lease;
  }

  /** Releases the slot of an attempt. */
  released(now: number, queueTenant: QueueTenant | undefined, tokens: number | undefined): void {
    this.inflight -= 1;
    if (!this.gate) return;
    if (queueTenant) this.gate.attemptEnded(now, queueTenant, tokens);
    this.admitWaiting(now);
  }

  /** Admits queued requests while there are free slots. */
  admitWaiting(now: number): void {
    const { gate } = this;
    while (gate && gate.queue.size > 0 && !this.full) {
      if (this.unavailable(now) !== undefined) {
        gate.close();
        return;
      }
      gate.queue.next()?.admit(gate);
    }
  }

  /** Registers that an attempt has a response, or has ended. */
  settled(lease: OpenLease): void {
    this.#waiting.remove(lease);
  }

  /** Registers a success. */
  succeeded(now: number, { breaker, probe }: OpenLease): void {
    this.successes += 1;
    if (breaker.succeeded(now, probe)) this.recovered(now);
  }

  /** Starts slow start, and drops measurements from before the failure. */
  recovered(now: number): void {
    this.#recoveredAt = now;
    this.onUnhealthy(this);
    this.timePerToken.reset();
    this.idleTimePerToken.reset();
  }

  /** Registers a failure: cools the target down, counts it for the breaker, or ignores it, by its code. */
  failed(now: number, error: GatewayError, breaker: CircuitBreaker, probe: boolean): void {
    const { retryAfterSeconds } = error.details;
    if (
      error.code === 'upstream_rate_limited' ||
      (error.code === 'upstream_overloaded' && retryAfterSeconds !== undefined)
    ) {
      const { coolDownMs, longestCoolDownMs } = this.settings();
      const cooldown = retryAfterSeconds === undefined ? coolDownMs : retryAfterSeconds * 1_000;
      this.#coolUntil = Math.max(this.#coolUntil, now + Math.min(cooldown, longestCoolDownMs));
      this.onUnhealthy(this);
    }
    if (error.code === 'upstream_auth_failed') {
      // A retry with the same key fails again; another key may work.
      const cooldown = Math.min(BAD_KEY_COOLDOWN_MS, this.settings().longestCoolDownMs);
      this.#coolUntil = Math.max(this.#coolUntil, now + cooldown);
      this.onUnhealthy(this);
    }
    if (!OUTLIER_CODES.has(error.code)) {
      breaker.abandoned(probe);
      return;
    }
    if (OVERLOAD_CODES.has(error.code)) this.gate?.overloaded();
    this.failures += 1;
    this.lastFailure = { code: error.code, message: error.message, at: now };
    if (!breaker.failed(now, probe)) return;
    this.onUnhealthy(this);
    // Queued requests of this operation must not be admitted; all of them evaluate their targets again.
    this.gate?.close();
    if (NO_RESPONSE_CODES.has(error.code)) this.#abortPending('stopped responding', breaker);
  }

  /** Fails all attempts without a response, or those of one operation: they would wait until their deadlines. */
  #abortPending(reason: string, breaker?: CircuitBreaker): void {
    for (const lease of this.#waiting.snapshot()) {
      if (breaker && lease.breaker !== breaker) continue;
      lease.onAbandon?.(new GatewayError('upstream_timeout', `The target ${reason}.`));
    }
  }

  /** Makes an outlier unavailable for a time; slow start follows. @param ms milliseconds */
  eject(now: number, ms: number): void {
    this.#ejectedUntil = now + ms;
    this.#recoveredAt = this.#ejectedUntil;
    this.breakers.forget();
    this.onUnhealthy(this);
  }

  /** Drops all measurements and ends cooldowns; for operators. */
  reset(now: number): void {
    this.breakers.reset();
    this.timePerToken.reset();
    this.idleTimePerToken.reset();
    this.#coolUntil = 0;
    this.#ejectedUntil = 0;
    this.#recoveredAt = undefined;
    this.admitWaiting(now);
  }
}

class OpenLease implements InFlightLease, Slotted {
  slot = -1;
  onAbandon: ((reason: GatewayError) => void) | undefined;
  #sent = false;
  #ended = false;
  #responded = false;
  readonly probe: boolean;

  constructor(
    private readonly state: TargetState,
    private startedAt: number,
    readonly breaker: CircuitBreaker,
    private readonly stream: boolean,
    private readonly queueTenant: QueueTenant | undefined,
  ) {
    this.probe = breaker.begin(startedAt);
  }

  sent(now: number): void {
    this.#sent = true;
    this.startedAt = now;
  }

  release(now: number): void {
    if (!this.#sent) this.end(now, null, 0);
  }

  responseStarted(now: number): void {
    if (this.#responded || this.#ended) return;
    this.#responded = true;
    this.state.settled(this);
    if (this.stream) this.state.firstEvent.add(now - this.startedAt);
    this.state.succeeded(now, this);
  }

  end(now: number, error: GatewayError | null | undefined, tokens: number | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const { state } = this;
    state.settled(this);
    const probe = this.probe && !this.#responded;
    if (error) state.failed(now, error, this.breaker, probe);
    else if (error === null) this.breaker.abandoned(probe);
    else {
      if (!this.#responded) state.succeeded(now, this);
      const timePerToken = (now - this.startedAt) / workUnits(tokens ?? 0);
      state.timePerToken.add(timePerToken, now);
      state.idleTimePerToken.add(timePerToken);
      state.gate?.succeeded(timePerToken, state.inflight);
    }
    state.released(now, this.queueTenant, tokens);
  }
}
