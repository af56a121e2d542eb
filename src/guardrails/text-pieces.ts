/** UTF-16 units that are read at once: a few milliseconds. */
export const PIECE = 16_384;

/**
 * Cuts a long text into pieces that end between words where they can, so that encoded texts stay whole.
 * @param overlap UTF-16 units that two pieces share
 */
export function* piecesOf(text: string, overlap: number): Generator<readonly [start: number, end: number]> {
  let start = 0;
  while (start < text.length) {
    let end = Math.min(text.length, start + PIECE);
    if (end < text.length) {
      const border = Math.max(text.lastIndexOf(' ', end), text.lastIndexOf('\n', end));
      if (border > start + PIECE / 2) end = border;
    }
    yield [start, end];
    if (end >= text.length) return;
    start = Math.max(start + 1, end - overlap);
  }
}
