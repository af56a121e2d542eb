const EMPTY: ReadonlyMap<string, never> = new Map<string, never>();

/** Values by an outer and an inner key, such as a tenant and an id: those of one outer key are found without a search. */
export class NestedMap<V> {
  readonly #maps = new Map<string, Map<string, V>>();

  get(outer: string, inner: string): V | undefined {
    return this.#maps.get(outer)?.get(inner);
  }

  /** @returns the values of an outer key by their inner keys; empty for none */
  of(outer: string): ReadonlyMap<string, V> {
    return this.#maps.get(outer) ?? EMPTY;
  }

  set(outer: string, inner: string, value: V): void {
    const map = this.#maps.get(outer);
    if (map) map.set(inner, value);
    else this.#maps.set(outer, new Map([[inner, value]]));
  }

  delete(outer: string, inner: string): void {
    const map = this.#maps.get(outer);
    if (map?.delete(inner) && map.size === 0) this.#maps.delete(outer);
  }
}
