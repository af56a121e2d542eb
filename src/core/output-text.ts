/** Pieces that wait before they are put together. */
const MAX_PARTS = 32;

/**
 * The words of an answer as far as it has come, for counting them where the upstream has not. Strings that grow by
 * adding to them hold on to every piece, so pieces are put together some at a time, and the whole when it is asked for.
 */
export class OutputText {
  #blocks: string[] = [];
  #pieces: string[] = [];

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
