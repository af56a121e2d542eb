/** Parts that are kept before they are joined. */
const MAX_PARTS = 32;

/**
 * The text of a response so far, for token counts where the upstream reports none. A string that grows by concatenation
 * keeps every part, so parts are joined a few at a time, and completely on demand.
 */
export class OutputText {
  #blocks: string[] = [];
  #pieces: string[] = [];

  /** Adds a part of the text. Anything but text is ignored. */
  add(piece: unknown): void {
    if (typeof piece !== 'string' || piece === '') return;
    this.#pieces.push(piece);
    if (this.#pieces.length < MAX_PARTS) return;
    this.#blocks.push(this.#pieces.join(''));
    this.#pieces = [];
  }

  toString(): string {
    const whole = [...this.#blocks, ...this.#pieces].join('');
    this.#blocks = whole === '' ? [] : [whole];
    this.#pieces = [];
    return whole;
  }
}
