/** An object that can be in one `SlotList` at a time. */
export interface Slotted {
  /** Index in the list, maintained by the list; -1 outside of it. */
  slot: number;
}

/**
 * An unordered collection with constant-time adding and removing. A `Set` does the same, but a set of objects that come and
 * go with every request cost a fifth of the gateway's CPU (docs/decisions/0005).
 */
export class SlotList<T extends Slotted> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** Adds an item; ignored when it is in a list. */
  add(item: T): void {
    if (item.slot >= 0) return;
    item.slot = this.#items.length;
    this.#items.push(item);
  }

  /** Moves the last item to the removed one's index. */
  remove(item: T): void {
    if (item.slot < 0) return;
    const last = this.#items.pop();
    if (last !== undefined && last !== item) {
      this.#items[item.slot] = last;
      last.slot = item.slot;
    }
    item.slot = -1;
  }

  /** @returns a copy, so that items can be added and removed during iteration */
  snapshot(): T[] {
    return this.#items.slice();
  }
}
