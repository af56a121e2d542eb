/** Ratio of a bucket's bounds. */
const GROWTH = 1.1;
const LOG_GROWTH = Math.log(GROWTH);
/** Of 20 hours in milliseconds; longer times count as this. */
const LAST_BUCKET = 190;

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const COLON = 0x3a;
const COMMA = 0x2c;

/** A quantile of a sketch differs from the exact one by at most this share of it. */
export const SKETCH_ERROR = (GROWTH - 1) / (GROWTH + 1);

/**
 * Counts of values in buckets that grow by a tenth each, from which quantiles are estimated. Sketches of several periods
 * add up, and the sum has the same error.
 * @see https://arxiv.org/abs/1908.10693 DDSketch
 */
export class QuantileSketch {
  readonly #counts = new Map<number, number>();

  /** @returns undefined for a text that no sketch wrote */
  static parse(text: string): QuantileSketch | undefined {
    const sketch = new QuantileSketch();
    return sketch.merge(text) ? sketch : undefined;
  }

  /** @param value whole or not, at least 0 */
  add(value: number): void {
    const bucket = value <= 1 ? 0 : Math.min(LAST_BUCKET, Math.ceil(Math.log(value) / LOG_GROWTH));
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1);
  }

  get isEmpty(): boolean {
    return this.#counts.size === 0;
  }

  /** Adds another sketch, or its text. @returns false for a text that no sketch wrote, of which a part may be added */
  merge(other: QuantileSketch | string): boolean {
    if (typeof other !== 'string') {
      for (const [bucket, count] of other.#counts) this.#addCount(bucket, count);
      return true;
    }
    // Read digit by digit: usage is stored often, and splitting the text takes ten times as long.
    let bucket = -1;
    let number = -1;
    for (let at = 0; at < other.length; at += 1) {
      const code = other.charCodeAt(at);
      if (code >= DIGIT_0 && code <= DIGIT_9) {
        number = (number < 0 ? 0 : number * 10) + code - DIGIT_0;
      } else if (code === COLON && bucket < 0 && number >= 0) {
        bucket = number;
        number = -1;
      } else if (code === COMMA && bucket >= 0 && number >= 0) {
        this.#addCount(bucket, number);
        bucket = -1;
        number = -1;
      } else {
        return false;
      }
    }
    if (other === '') return true;
    if (bucket < 0 || number < 0) return false;
    this.#addCount(bucket, number);
    return true;
  }

  /** @returns the text that `merge` and `parse` read; empty for an empty sketch */
  toString(): string {
    let text = '';
    for (const [bucket, count] of this.#counts) {
      text = text === '' ? `${bucket}:${count}` : `${text},${bucket}:${count}`;
    }
    return text;
  }

  /**
   * @param q from 0 to 1
   * @returns the estimated value, with a relative error of at most `SKETCH_ERROR`; undefined for an empty sketch
   */
  quantile(q: number): number | undefined {
    let total = 0;
    for (const count of this.#counts.values()) total += count;
    if (total === 0) return undefined;
    let rank = Math.max(1, Math.ceil(q * total));
    for (const bucket of [...this.#counts.keys()].sort((a, b) => a - b)) {
      rank -= this.#counts.get(bucket) ?? 0;
      // The value from which both bounds of the bucket are equally far.
      if (rank <= 0) return bucket === 0 ? 1 : (2 * GROWTH ** bucket) / (GROWTH + 1);
    }
    return undefined;
  }

  #addCount(bucket: number, count: number): void {
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count);
  }
}
