const LF = 10;
const CR = 13;
const D = 100;
const BRACKET = 93;
const DONE_MIN = 'data:[DONE]'.length;
const DONE_MAX = 'data: [DONE]'.length;

/**
 * Counts the server-sent events that carry data in a byte stream split anywhere, `data: [DONE]` apart from the
 * others, and heartbeat comments not at all. It doesn't decode: it looks at line lengths and their first and last byte.
 */
export class EventCounter {
  /** Events with data, [DONE] not included. */
  events = 0;
  /** Whether the closing `data: [DONE]` has come. */
  done = false;
  private lineLength = 0;
  private first = 0;
  private last = 0;
  private hasData = false;

  /** @returns how many events `bytes[start..end)` completed */
  push(bytes: Uint8Array, start: number, end: number): number {
    const before = this.events;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === LF) this.endLine();
      else if (byte !== CR) {
        if (this.lineLength === 0) this.first = byte;
        this.last = byte;
        this.lineLength++;
      }
    }
    return this.events - before;
  }

  private endLine(): void {
    const length = this.lineLength;
    this.lineLength = 0;
    if (length === 0) {
      if (this.hasData) this.events++;
      this.hasData = false;
    } else if (this.first === D) {
      // A JSON object ends with a brace, so a short data line that ends with a bracket can only be [DONE].
      if (this.last === BRACKET && length >= DONE_MIN && length <= DONE_MAX) this.done = true;
      else this.hasData = true;
    }
  }
}
