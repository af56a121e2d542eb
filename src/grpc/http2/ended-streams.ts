/** How many ended streams are remembered: a client cannot have more frames on their way. */
const MAX_ENDED = 1_000;

/** Streams that the server has ended, whose client may not know it yet: their frames are ignored. */
export class EndedStreams {
  readonly #ids = new Set<number>();

  add(id: number): void {
    this.#ids.add(id);
    const [oldest] = this.#ids;
    if (this.#ids.size > MAX_ENDED && oldest !== undefined) this.#ids.delete(oldest);
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }
}
