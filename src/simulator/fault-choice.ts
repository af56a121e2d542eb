import type { FaultName } from './fault-names.ts';
import type { SimulatorOptions } from './options.ts';
import { hashFraction, hashLabel } from './random.ts';

/** Number of requests with `fault_times` that are counted; the oldest is evicted first. */
const MAX_REMEMBERED = 10_000;

/** Decides which requests get their fault, and keeps the counts of `fault_times`. */
export class FaultChoice {
  private readonly counts = new Map<string, number>();

  /**
   * Decides the fault of one request.
   * @param identityOf returns a text that is equal for equal requests
   * @param attempt distinguishes a client's retries, for clients that number them
   */
  decide(options: SimulatorOptions, identityOf: () => string, attempt: string): FaultName {
    const { fault, fault_rate, fault_times, seed } = options;
    if (fault === 'none') return 'none';
    const identity = identityOf();
    if (fault_rate < 1 && hashFraction(`${seed ?? ''}/fault/${attempt}/${identity}`) >= fault_rate)
      return 'none';
    return fault_times === undefined || this.count(hashLabel(identity), fault_times) ? fault : 'none';
  }

  /** Counts a request. @returns whether it is among the first `times` with its key; the next one restarts the count */
  private count(key: string, times: number): boolean {
    const seen = this.counts.get(key) ?? 0;
    this.counts.delete(key);
    if (seen >= times) return false;
    this.counts.set(key, seen + 1);
    if (this.counts.size > MAX_REMEMBERED) {
      const [oldest] = this.counts.keys();
      if (oldest !== undefined) this.counts.delete(oldest);
    }
    return true;
  }
}
