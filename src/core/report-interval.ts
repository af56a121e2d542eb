/**
 * Reports something that may occur with every request, but not more often than the interval: at once when it occurs first,
 * then with the number of occurrences since the last report.
 */
export class ReportInterval<Detail> {
  #count = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;

  /**
   * @param intervalMs shortest time between two reports
   * @param now monotonic milliseconds
   * @param report receives the number of occurrences and the last detail
   */
  constructor(
    private readonly intervalMs: number,
    private readonly now: () => number,
    private readonly report: (count: number, detail: Detail) => void,
  ) {}

  add(count: number, detail: Detail): void {
    this.#count += count;
    const now = this.now();
    if (now - this.#reportedAt < this.intervalMs) return;
    this.#reportedAt = now;
    this.report(this.#count, detail);
    this.#count = 0;
  }
}
