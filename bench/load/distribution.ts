import { percentile } from '../report/statistics.ts';

const START_CAPACITY = 4096;

/** Collects durations (milliseconds) without an object per value, and sums them up in microseconds. */
export class DurationRecorder {
  private values = new Float64Array(START_CAPACITY);
  private count = 0;
  private sum = 0;

  add(milliseconds: number): void {
    if (this.count === this.values.length) {
      const larger = new Float64Array(this.values.length * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.count++] = milliseconds;
    this.sum += milliseconds;
  }

  /** All zero when nothing was recorded. Microseconds. */
  summary(): {
    count: number;
    mean: number;
    p50: number;
    p90: number;
    p95: number;
    p99: number;
    max: number;
  } {
    const sorted = this.values.subarray(0, this.count).slice().sort();
    const at = (share: number) => (this.count === 0 ? 0 : percentile(sorted, share) * 1000);
    return {
      count: this.count,
      mean: this.count === 0 ? 0 : (this.sum / this.count) * 1000,
      p50: at(0.5),
      p90: at(0.9),
      p95: at(0.95),
      p99: at(0.99),
      max: at(1),
    };
  }
}
