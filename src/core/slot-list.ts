/** Can be in one `SlotList` at a time. */
export interface Slotted {
  /** Its place in the list, kept by the list; -1 outside of it. */
  slot: number;
}

/**
 * A bag of objects with constant-time adding and removing. What a `Set` does too, but a set of objects that come
 * and go with every request cost a fifth of the gateway's CPU (docs/decisions/0005).
 */
export class SlotList<T extends Slotted> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(item: T): void {
    if (item.slot >= 0) return;
    item.slot = this.#items.length;
    this.#items.push(item);
  }

  /** The last item takes the place of the removed one. */
  remove(item: T): void {
    if (item.slot < 0) return;
    const last = this.#items.pop();
    if (last !== undefined && last !== item) {
      this.#items[item.slot] = last;
      last.slot = item.slot;
    }
    item.slot = -1;
  }

  /** A copy, so that items may come and go while it is walked. */
  snapshot(): T[] {
    return this.#items.slice();
  }
}
