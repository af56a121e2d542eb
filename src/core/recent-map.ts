/**
 * A map that keeps the entries that were used last, in bounded memory. Two generations instead of an order of use: an entry
 * moves to the young one when it is read, and the old one is dropped when the young one is full. No operation scans.
 */
export class RecentMap<Key, Value> {
  #young = new Map<Key, Value>();
  #old = new Map<Key, Value>();

  /** @param max entries; at least the half of them that was used last is kept */
  constructor(private readonly max: number) {}

  /** Entries that are kept; those that are in both generations count twice. At most `max`. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: Key): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: Key, value: Value): void {
    if (this.#young.size >= this.max / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
  }
}
