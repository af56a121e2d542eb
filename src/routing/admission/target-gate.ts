import { AdaptiveLimit, type ConcurrencyLimit, type LimitSetting } from './concurrency-limit.ts';
import { FairQueue, type Waiting } from './fair-queue.ts';

/** A queued request, as its gate sees it. */
export interface GateWaiter extends Waiting {
  /** Admits the request, which has to take its slot before this returns. */
  admit(gate: TargetGate): void;
  /** Removes the request, because the queue is full or the target is not available. */
  rejected(gate: TargetGate, reason: 'shed' | 'gone'): void;
}

/** Whose share of a queue an attempt is charged to, and how many tokens. */
export interface QueueTenant {
  readonly tenant: string;
  /** The tenant's weight, above 0. */
  readonly weight: number;
  readonly inputTokens: number;
  /** Expected output tokens. */
  readonly outputTokens: number;
}

/** Attempts over which the interval between ends is averaged. */
const INTERVAL_SAMPLES = 10;

/** The concurrency limit of a target, with a fair queue for requests beyond it. */
export class TargetGate {
  readonly queue = new FairQueue<GateWaiter>();
  #limit: ConcurrencyLimit;
  #lastReleaseAt: number | undefined;
  /** Mean milliseconds between the ends of two attempts while requests are queued. */
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

  /** Applies a setting; an unchanged adaptive limit keeps its measurements. */
  configure(setting: Exclude<LimitSetting, null>, maxQueued: number): void {
    if (setting !== this.setting) this.#limit = limitFor(setting);
    this.setting = setting;
    this.maxQueued = maxQueued;
  }

  /** Queues a request; a full queue evicts one. */
  enter(waiter: GateWaiter): void {
    this.queue.add(waiter);
    if (this.queue.size > this.maxQueued) this.queue.shed()?.rejected(this, 'shed');
  }

  /** Evicts all queued requests. */
  close(): void {
    for (const waiter of this.queue.all()) {
      this.queue.remove(waiter);
      waiter.rejected(this, 'gone');
    }
  }

  /** Charges a tenant for an attempt that did not queue. */
  attemptStarted({ tenant, weight, inputTokens, outputTokens }: QueueTenant): void {
    this.queue.attemptStarted(tenant, (inputTokens + outputTokens) / weight);
  }

  /**
   * Registers the end of an attempt and corrects its charge.
   * @param tokens output tokens; undefined where unknown
   */
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
        this.#interval === undefined ? passed : this.#interval + (passed - this.#interval) / INTERVAL_SAMPLES;
    }
    this.#lastReleaseAt = now;
  }

  succeeded(timePerTokenMs: number, inflight: number): void {
    this.#limit.succeeded?.(timePerTokenMs, inflight);
  }

  overloaded(): void {
    this.#limit.overloaded?.();
  }

  /** @returns estimated milliseconds until another request of the tenant is admitted; undefined without measurements */
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
