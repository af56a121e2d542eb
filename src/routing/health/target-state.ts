import { GatewayError } from '../../core/errors.ts';
import { SlotList, type Slotted } from '../../core/slot-list.ts';
import { workUnits } from '../../core/token-estimate.ts';
import type { QueueTenant, TargetGate } from '../admission/target-gate.ts';
import { type BreakerSettings, type BreakerState, CircuitBreaker } from './breaker.ts';
import { PeakEwma, RecentQuantiles } from './latency.ts';

export interface HealthSettings {
  readonly breaker: BreakerSettings;
  /** How long a target rests that is over its limit and does not say for how long; and at most. Milliseconds. */
  readonly coolDownMs: number;
  readonly longestCoolDownMs: number;
  /** How long a target that has come back gets less than its share, in milliseconds. */
  readonly slowStartMs: number;
}

export const DEFAULT_HEALTH: HealthSettings = {
  breaker: { failures: 5, errorRate: 0.5, minRequests: 20, openMs: 30_000 },
  coolDownMs: 2_000,
  longestCoolDownMs: 5 * 60_000,
  slowStartMs: 30_000,
};

/** What an operator decided, over all that is measured. `drain` and `disable` stop new requests; `force` lets all pass. */
export type Override = 'drain' | 'disable' | 'force';

/** Why a target is not used now. */
export type Unavailable = 'disabled' | 'draining' | 'unhealthy' | 'breaker_open' | 'cooling_down' | 'ejected';

/** Failures that say something about the target's health; others are the request's fault, or a limit of an account. */
const OUTLIER_CODES: ReadonlySet<string> = new Set([
  'upstream_error',
  'upstream_unreachable',
  'upstream_closed',
  'upstream_invalid_response',
  'upstream_overloaded',
  'upstream_timeout',
  'upstream_auth_failed',
]);

/** Failures of a target that is not there, as opposed to one that answers with an error. */
const NO_RESPONSE_CODES: ReadonlySet<string> = new Set(['upstream_timeout', 'upstream_unreachable']);

/** Failures of a target that may have too much to do. */
const OVERLOAD_CODES: ReadonlySet<string> = new Set(['upstream_timeout', 'upstream_overloaded']);

const BAD_KEY_COOLDOWN_MS = 60_000;

/** The smallest share of a target that has just come back. */
const SLOW_START_MIN_SHARE = 0.1;

/** One attempt as its target sees it: from the moment its place is taken, a little before it is sent. */
export interface InFlightLease {
  readonly probe: boolean;
  /** Set by who attempts: called when the target is found dead before it has answered. */
  onAbandon: ((reason: GatewayError) => void) | undefined;
  sent(now: number): void;
  /** Gives the place back if nothing was sent. */
  release(now: number): void;
  /** The first event of a stream, or the whole of a plain answer, has come. */
  responseStarted(now: number): void;
  /**
   * Ends the attempt; later calls change nothing.
   * @param error why it failed; undefined when it is done, `null` when its client went away
   * @param tokens of the answer, as far as known
   */
  end(now: number, error: GatewayError | null | undefined, tokens: number | undefined): void;
}

/** All that is known of one target's condition: measured, checked, and decided by people. */
export class TargetState {
  inflight = 0;
  /** Somebody holds it for longer than one request. */
  retained = false;
  /** Where the number of attempts is limited. */
  gate: TargetGate | undefined;
  #override: Override | undefined;
  #healthy: boolean | undefined;
  /** Milliseconds for each token, with the wait for the first spread over some of them. */
  readonly timePerToken = new PeakEwma();
  /** Milliseconds until the first event of a stream. */
  readonly firstEvent = new RecentQuantiles();
  readonly breaker: CircuitBreaker;
  successes = 0;
  failures = 0;
  lastFailure: { readonly code: string; readonly message: string; readonly at: number } | undefined;
  lastUsedAt = 0;
  /** Attempts that have no answer yet. */
  readonly #waiting = new SlotList<OpenLease>();
  #coolUntil = 0;
  #ejectedUntil = 0;
  #recoveredAt: number | undefined;

  /** @param onUnhealthy told when something has happened to it: it is not `calm` for a while, or may not be */
  constructor(
    private readonly settings: () => HealthSettings,
    private readonly onUnhealthy: (state: TargetState) => void = () => undefined,
    /** Whose condition it is, at its provider. */
    readonly of: { readonly model: string; readonly account: number | undefined } = {
      model: '',
      account: undefined,
    },
  ) {
    this.breaker = new CircuitBreaker(() => this.settings().breaker);
  }

  get override(): Override | undefined {
    return this.#override;
  }

  decide(override: Override | undefined, now: number): void {
    this.#override = override;
    this.onUnhealthy(this);
    this.admitWaiting(now);
  }

  /** Whether it has as many attempts as it may have. */
  get full(): boolean {
    return this.gate !== undefined && this.inflight >= this.gate.limit;
  }

  /** What active checks say; undefined where nobody checks. */
  get healthy(): boolean | undefined {
    return this.#healthy;
  }

  /** Takes the word of a check over. */
  checked(healthy: boolean, now: number): void {
    const before = this.#healthy;
    this.#healthy = healthy;
    if (!healthy) this.onUnhealthy(this);
    if (healthy && before === false) this.recovered(now);
    if (!healthy && before !== false) this.#abortPending('does not answer health checks any more');
    this.admitWaiting(now);
  }

  /** Whether nothing at all is the matter with it: it can be used, as often as anybody likes. */
  isHealthy(now: number): boolean {
    return (
      this.#override === undefined &&
      this.#healthy !== false &&
      this.gate === undefined &&
      now >= this.#coolUntil &&
      now >= this.#ejectedUntil &&
      this.breaker.state(now) === 'closed' &&
      this.share(now) === 1
    );
  }

  /** Why it can't be used now; undefined when it can. */
  unavailable(now: number): Unavailable | undefined {
    switch (this.#override) {
      case 'force':
        return undefined;
      case 'disable':
        return 'disabled';
      case 'drain':
        return 'draining';
    }
    if (this.#healthy === false) return 'unhealthy';
    if (!this.breaker.admits(now)) return 'breaker_open';
    if (now < this.#coolUntil) return 'cooling_down';
    return now < this.#ejectedUntil ? 'ejected' : undefined;
  }

  /** When it can be used again as far as is known; Infinity when that is for people or checks to say. */
  availableAt(now: number): number {
    const reason = this.unavailable(now);
    if (reason === undefined) return now;
    if (reason === 'breaker_open') return Math.max(now, this.breaker.openUntil, this.#coolUntil);
    if (reason === 'cooling_down') return Math.max(this.#coolUntil, this.#ejectedUntil);
    return reason === 'ejected' ? this.#ejectedUntil : Number.POSITIVE_INFINITY;
  }

  breakerState(now: number): BreakerState {
    return this.breaker.state(now);
  }

  /** Share of its normal load that it should get, above 0 and up to 1: less when it has just come back. */
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
   * Takes a place.
   * @param stream whether its first event says how soon the target begins; a plain answer is whole at once
   * @param queueTenant who pays where attempts are limited
   * @param charged whether the queue has charged the payer already
   */
  begin(now: number, stream = false, queueTenant?: QueueTenant, charged = false): InFlightLease {
    this.inflight += 1;
    this.lastUsedAt = now;
    if (queueTenant && !charged) this.gate?.attemptStarted(queueTenant);
    const lease = new OpenLease(this, now, this.breaker.begin(now), stream, queueTenant);
    this.#waiting.add(lease);
    return lease;
  }

  /** An attempt has given its place back. */
  released(now: number, queueTenant: QueueTenant | undefined, tokens: number | undefined): void {
    this.inflight -= 1;
    if (!this.gate) return;
    if (queueTenant) this.gate.attemptEnded(now, queueTenant, tokens);
    this.admitWaiting(now);
  }

  /** Lets those in who wait and for whom there is room now. */
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

  /** An attempt waits no longer: it has an answer, or has ended. */
  settled(lease: OpenLease): void {
    this.#waiting.remove(lease);
  }

  succeeded(now: number, probe: boolean): void {
    this.successes += 1;
    if (this.breaker.succeeded(now, probe)) this.recovered(now);
  }

  /** It is back: it starts slowly, and what was measured before it went counts no more. */
  recovered(now: number): void {
    this.#recoveredAt = now;
    this.onUnhealthy(this);
    this.timePerToken.reset();
  }

  failed(now: number, error: GatewayError, probe: boolean): void {
    const { retryAfterSeconds: told } = error.details;
    if (
      error.code === 'upstream_rate_limited' ||
      (error.code === 'upstream_overloaded' && told !== undefined)
    ) {
      const { coolDownMs, longestCoolDownMs } = this.settings();
      const rest = told === undefined ? coolDownMs : told * 1_000;
      this.#coolUntil = Math.max(this.#coolUntil, now + Math.min(rest, longestCoolDownMs));
      this.onUnhealthy(this);
    }
    if (error.code === 'upstream_auth_failed') {
      // Asking again at once won't make the key a good one; another key may be.
      const rest = Math.min(BAD_KEY_COOLDOWN_MS, this.settings().longestCoolDownMs);
      this.#coolUntil = Math.max(this.#coolUntil, now + rest);
      this.onUnhealthy(this);
    }
    if (!OUTLIER_CODES.has(error.code)) {
      this.breaker.abandoned(probe);
      return;
    }
    if (OVERLOAD_CODES.has(error.code)) this.gate?.overloaded();
    this.failures += 1;
    this.lastFailure = { code: error.code, message: error.message, at: now };
    const opened = this.breaker.failed(now, probe);
    if (opened) this.onUnhealthy(this);
    if (opened && NO_RESPONSE_CODES.has(error.code)) this.#abortPending('stopped answering');
  }

  /** Those who wait for a dead target would wait for ever, or as long as their clients do. */
  #abortPending(reason: string): void {
    for (const lease of this.#waiting.snapshot()) {
      lease.onAbandon?.(new GatewayError('upstream_timeout', `The target ${reason}.`));
    }
  }

  /** Leaves it alone for a while, as it does far worse than others; then it starts slowly, and what was counted is forgotten. */
  eject(now: number, ms: number): void {
    this.#ejectedUntil = now + ms;
    this.#recoveredAt = this.#ejectedUntil;
    this.breaker.forget();
    this.onUnhealthy(this);
  }

  /** Forgets what was measured, at an operator's word. */
  reset(now: number): void {
    this.breaker.reset();
    this.timePerToken.reset();
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

  constructor(
    private readonly state: TargetState,
    private startedAt: number,
    readonly probe: boolean,
    private readonly stream: boolean,
    private readonly queueTenant: QueueTenant | undefined,
  ) {}

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
    this.state.succeeded(now, this.probe);
  }

  end(now: number, error: GatewayError | null | undefined, tokens: number | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const { state } = this;
    state.settled(this);
    const probe = this.probe && !this.#responded;
    if (error) state.failed(now, error, probe);
    else if (error === null) state.breaker.abandoned(probe);
    else {
      if (!this.#responded) state.succeeded(now, this.probe);
      const timePerToken = (now - this.startedAt) / workUnits(tokens ?? 0);
      state.timePerToken.add(timePerToken, now);
      state.gate?.succeeded(timePerToken, state.inflight);
    }
    state.released(now, this.queueTenant, tokens);
  }
}
