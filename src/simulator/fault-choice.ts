import type { FaultName } from './fault-names.ts';
import type { SimulatorOptions } from './options.ts';
import { hashFraction, hashLabel } from './random.ts';

/** How many requests with `fault_times` are remembered; the oldest are forgotten first. */
const MAX_REMEMBERED = 10_000;

/** Decides which requests get the fault that they ask for. Holds the counts of `fault_times`. */
export class FaultChoice {
  private readonly counts = new Map<string, number>();

  /**
   * `identity` is everything that makes a request the same as another; `attempt` is what tells a client's retries of
   * it apart, for clients that count them.
   */
  decide(options: SimulatorOptions, identity: string, attempt: string): FaultName {
    const { fault, fault_rate, fault_times, seed } = options;
    if (fault === 'none') return 'none';
    if (fault_rate < 1 && hashFraction(`${seed ?? ''}/fault/${attempt}/${identity}`) >= fault_rate)
      return 'none';
    return fault_times === undefined || this.count(hashLabel(identity), fault_times) ? fault : 'none';
  }

  /** Whether this is among the first `times` of its kind; the next one restarts the count. */
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
