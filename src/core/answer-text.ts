/** Pieces that wait before they are put together. */
const MAX_PIECES = 32;

/**
 * The words of an answer as far as it has come, for counting them where the upstream has not. Strings that grow by
 * adding to them hold on to every piece, so pieces are put together from time to time.
 */
export class AnswerText {
  #whole = '';
  #pieces: string[] = [];

  add(piece: unknown): void {
    if (typeof piece !== 'string' || piece === '') return;
    this.#pieces.push(piece);
    if (this.#pieces.length >= MAX_PIECES) this.#join();
  }

  toString(): string {
    this.#join();
    return this.#whole;
  }

  #join(): void {
    if (this.#pieces.length === 0) return;
    this.#whole = [this.#whole, ...this.#pieces].join('');
    this.#pieces = [];
  }
}
