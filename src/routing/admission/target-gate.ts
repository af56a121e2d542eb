import { AdaptiveLimit, type ConcurrencyLimit, type LimitSetting } from './concurrency-limit.ts';
import { FairQueue, type Waiting } from './fair-queue.ts';

/** Somebody in front of a gate. */
export interface GateWaiter extends Waiting {
  /** It is its turn; it has to begin its attempt before this returns. */
  admit(gate: TargetGate): void;
  /** Told to go: room was made for others, or the target can't be used any more. */
  rejected(gate: TargetGate, reason: 'shed' | 'gone'): void;
}

/** Who pays for an attempt, in tokens. */
export interface QueueTenant {
  readonly tenant: string;
  readonly weight: number;
  readonly inputTokens: number;
  /** Expected. */
  readonly outputTokens: number;
}

/** How often somebody got in, averaged over so many. */
const PACE_OVER = 10;

/** Lets no more attempts through to a target than it can do with; the others wait in a fair queue. */
export class TargetGate {
  readonly queue = new FairQueue<GateWaiter>();
  #limit: ConcurrencyLimit;
  #lastReleaseAt: number | undefined;
  /** Milliseconds between two attempts that end, while others wait. */
  #interval: number | undefined;

  constructor(
    private setting: Exclude<LimitSetting, null>,
    private maxQueued: number,
  ) {
    this.#limit = limitFor(setting);
  }

  get limit(): number {
    return this.#limit.value;
  }

  /** Takes another setting over; an adaptive limit that stays one keeps what it has learned. */
  configure(setting: Exclude<LimitSetting, null>, maxQueued: number): void {
    if (setting !== this.setting) this.#limit = limitFor(setting);
    this.setting = setting;
    this.maxQueued = maxQueued;
  }

  enter(waiter: GateWaiter): void {
    this.queue.add(waiter);
    if (this.queue.size > this.maxQueued) this.queue.shed()?.rejected(this, 'shed');
  }

  /** Nobody can get through any more. */
  close(): void {
    for (const waiter of this.queue.all()) {
      this.queue.remove(waiter);
      waiter.rejected(this, 'gone');
    }
  }

  attemptStarted({ tenant, weight, inputTokens, outputTokens }: QueueTenant): void {
    this.queue.attemptStarted(tenant, (inputTokens + outputTokens) / weight);
  }

  /** @param tokens of the answer, where they are known */
  attemptEnded(now: number, queueTenant: QueueTenant, tokens: number | undefined): void {
    if (tokens !== undefined) {
      this.queue.settle(queueTenant.tenant, (tokens - queueTenant.outputTokens) / queueTenant.weight);
    }
    if (this.queue.size === 0) {
      this.#lastReleaseAt = undefined;
      return;
    }
    if (this.#lastReleaseAt !== undefined) {
      const passed = now - this.#lastReleaseAt;
      this.#interval =
        this.#interval === undefined ? passed : this.#interval + (passed - this.#interval) / PACE_OVER;
    }
    this.#lastReleaseAt = now;
  }

  succeeded(timePerTokenMs: number, inflight: number): void {
    this.#limit.succeeded?.(timePerTokenMs, inflight);
  }

  overloaded(): void {
    this.#limit.overloaded?.();
  }

  /** Milliseconds until one more of this tenant's requests would get through, about; undefined when nothing tells. */
  expectedWait(tenant: string): number | undefined {
    if (this.#interval === undefined) return undefined;
    const { own, tenants } = this.queue.backlog(tenant);
    const before = Math.min(this.queue.size, own * tenants);
    return (before + 1) * this.#interval;
  }
}

function limitFor(setting: Exclude<LimitSetting, null>): ConcurrencyLimit {
  return setting === 'adaptive' ? new AdaptiveLimit() : { value: setting };
}
