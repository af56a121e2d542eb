const MINUTE_MS = 60_000;
/** Subjects of one minute with a quota of their own; more share one. */
const MAX_SUBJECTS = 10_000;

/** Allows a number of events of each subject in a minute, and counts the rest. */
export class MinuteQuota {
  readonly #counts = new Map<string, number>();
  readonly #suppressed = new Map<string, number>();
  #minute = 0;

  /** @param now Unix milliseconds */
  constructor(
    private readonly max: number,
    private readonly now: () => number,
  ) {}

  /** @returns undefined for an event above the quota; else how many events of the subject were suppressed before it */
  take(subject: string): number | undefined {
    const minute = Math.floor(this.now() / MINUTE_MS);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#counts.clear();
    }
    const key = this.#counts.has(subject) || this.#counts.size < MAX_SUBJECTS ? subject : '';
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    if (count > this.max) {
      if (this.#suppressed.size < MAX_SUBJECTS)
        this.#suppressed.set(key, (this.#suppressed.get(key) ?? 0) + 1);
      return undefined;
    }
    const suppressed = this.#suppressed.get(key) ?? 0;
    this.#suppressed.delete(key);
    return suppressed;
  }
}
