/** Parts that are kept before they are joined. */
const MAX_PARTS = 32;
/** UTF-16 units that are kept: some 100,000 tokens, more than responses have. A client may ask for many of them and read none. */
const MAX_KEPT = 512 * 1024;

/**
 * The text of a response so far, for token counts where the upstream reports none. A string that grows by concatenation
 * keeps every part, so parts are joined a few at a time, and completely on demand.
 */
export class OutputText {
  #blocks: string[] = [];
  #pieces: string[] = [];
  #kept = 0;
  #length = 0;

  /** UTF-16 units that were added, those that are not kept included. */
  get length(): number {
    return this.#length;
  }

  /** Adds a part of the text. Anything but text is ignored. */
  add(piece: unknown): void {
    if (typeof piece !== 'string' || piece === '') return;
    this.#length += piece.length;
    if (this.#kept + piece.length > MAX_KEPT) return;
    this.#kept += piece.length;
    this.#pieces.push(piece);
    if (this.#pieces.length < MAX_PARTS) return;
    this.#blocks.push(this.#pieces.join(''));
    this.#pieces = [];
  }

  /** The text that is kept: all of it, up to half a million UTF-16 units. */
  toString(): string {
    const whole = [...this.#blocks, ...this.#pieces].join('');
    this.#blocks = whole === '' ? [] : [whole];
    this.#pieces = [];
    return whole;
  }
}
