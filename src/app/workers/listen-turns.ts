/** Lets one process at a time begin to listen. */
export class ListenTurns {
  #last: Promise<void> = Promise.resolve();

  /** @returns a function that ends the turn, once it has come; only its first call has an effect */
  async next(): Promise<() => void> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    return resolve;
  }
}
