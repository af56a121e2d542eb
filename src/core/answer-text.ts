/** Pieces that wait before they are put together. */
const MAX_PIECES = 32;
/** Of ASCII that waits before it is made a string. */
const MAX_BYTES = 256;

/**
 * The words of an answer as far as it has come, for counting them where the upstream has not. Strings that grow by
 * adding to them hold on to every piece, so pieces are put together some at a time, and the whole when it is asked for.
 */
export class AnswerText {
  #blocks: string[] = [];
  #pieces: string[] = [];
  /** What has come last, as bytes: most words are short, and strings made of each would cost more than all else. */
  #bytes: Buffer | undefined;
  #length = 0;

  add(piece: unknown): void {
    if (typeof piece !== 'string' || piece === '') return;
    this.#settleBytes();
    this.#push(piece);
  }

  /** Adds what stands in a buffer; it must be ASCII. */
  addAscii(buffer: Buffer, from: number, to: number): void {
    if (to - from > MAX_BYTES) {
      this.add(buffer.toString('latin1', from, to));
      return;
    }
    if (this.#length + to - from > MAX_BYTES) this.#settleBytes();
    this.#bytes ??= Buffer.allocUnsafeSlow(MAX_BYTES);
    const bytes = this.#bytes;
    let length = this.#length;
    for (let at = from; at < to; at += 1) {
      bytes[length] = buffer[at] ?? 0;
      length += 1;
    }
    this.#length = length;
  }

  toString(): string {
    this.#settleBytes();
    const whole = [...this.#blocks, ...this.#pieces].join('');
    this.#blocks = whole === '' ? [] : [whole];
    this.#pieces = [];
    return whole;
  }

  #settleBytes(): void {
    if (this.#length === 0) return;
    const piece = this.#bytes?.toString('latin1', 0, this.#length) ?? '';
    this.#length = 0;
    this.#push(piece);
  }

  #push(piece: string): void {
    this.#pieces.push(piece);
    if (this.#pieces.length < MAX_PIECES) return;
    this.#blocks.push(this.#pieces.join(''));
    this.#pieces = [];
  }
}
