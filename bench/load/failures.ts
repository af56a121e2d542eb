const KEPT_REASONS = 5;

/** Counts failed requests and keeps the first few distinct reasons. */
export class Failures {
  failed = 0;
  private readonly kept = new Set<string>();

  add(reason: string): void {
    this.failed++;
    if (this.kept.size < KEPT_REASONS) this.kept.add(reason);
  }

  summary(): { failed: number; reasons: string[] } {
    return { failed: this.failed, reasons: [...this.kept] };
  }
}
