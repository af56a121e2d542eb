/** A text was read more often than its limit allows. */
export class StepLimitError extends Error {}

/** The methods by which generated parsers read a text. A string has them too. */
export interface SourceText {
  readonly length: number;
  charAt(at: number): string;
  charCodeAt(at: number): number;
  substr(from: number, length: number): string;
  substring(from: number, to: number): string;
  trim(): SourceText;
}

/**
 * A text for parsers that are generated from grammars (PEG). They read it by these methods only, and try alternatives again
 * and again: nested parentheses that do not close take time that doubles with each. Counting the reads ends them.
 */
export class SteppedText implements SourceText {
  #left: number;

  /** @param steps number of reads after which each one throws a `StepLimitError` */
  constructor(
    private readonly text: string,
    steps: number,
  ) {
    this.#left = steps;
  }

  get length(): number {
    return this.text.length;
  }

  charAt(at: number): string {
    this.#step();
    return this.text.charAt(at);
  }

  charCodeAt(at: number): number {
    this.#step();
    return this.text.charCodeAt(at);
  }

  substr(from: number, length: number): string {
    this.#step();
    return this.text.slice(from, from + length);
  }

  substring(from: number, to: number): string {
    this.#step();
    return this.text.substring(from, to);
  }

  /** The text itself: it has no white space at its ends. */
  trim(): this {
    return this;
  }

  toString(): string {
    return this.text;
  }

  #step(): void {
    this.#left -= 1;
    if (this.#left < 0) throw new StepLimitError();
  }
}
