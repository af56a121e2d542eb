/** UTF-16 units of the text before that are searched for a repetition. */
const MAX_REPETITION = 2_000;
/** A shorter repetition may be intended. UTF-16 units. */
const MIN_REPETITION = 12;

/**
 * Removes text that a continuation repeats from the end of the text before it. Holds the beginning of the continuation
 * back only while it agrees with that text. The work is linear in the text, times the length that is searched.
 */
export class ContinuationSeam {
  readonly #before: string;
  #held = '';
  /** Offsets in the text before at which everything held so far stands. */
  #candidates: number[];
  /** The longest end of the text before with which the continuation begins. */
  #repeated = 0;
  #isClosed = false;

  /** @param before the text that is continued */
  constructor(before: string) {
    this.#before = before.slice(-MAX_REPETITION);
    this.#candidates = Array.from(this.#before, (_, at) => at);
  }

  /** @returns the text to send for the next piece of the continuation; empty while it is held back */
  push(text: string): string {
    if (this.#isClosed) return text;
    const before = this.#before;
    const from = this.#held.length;
    this.#candidates = this.#candidates.filter((start) => {
      const rest = before.length - start - from;
      if (!before.startsWith(text.slice(0, rest), start + from)) return false;
      if (text.length < rest) return true;
      this.#repeated = Math.max(this.#repeated, before.length - start);
      return false;
    });
    this.#held += text;
    return this.#candidates.length === 0 ? this.close() : '';
  }

  /** @returns the text that is still held back, at the end of the continuation */
  close(): string {
    if (this.#isClosed) return '';
    this.#isClosed = true;
    if (this.#repeated >= MIN_REPETITION) return this.#held.slice(this.#repeated);
    // Some vendors remove a space at the end of the text to continue, and the model writes it again.
    return /[ \t]$/.test(this.#before) ? this.#held.replace(/^[ \t]+/, '') : this.#held;
  }
}
