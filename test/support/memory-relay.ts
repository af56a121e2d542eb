import type {
  RelayClaim,
  RelayedCall,
  RelayPart,
  RelayReading,
  StreamRelay,
} from '../../src/cache/stream-relay.ts';

/** A relay between the gateways of one test. */
export class MemoryRelay implements StreamRelay {
  readonly #claims = new Map<string, string>();
  readonly #parts = new Map<string, { readonly number: number; readonly part: RelayPart }[]>();
  #ids = 0;
  /** Ids of calls that are being read. */
  readonly readers = new Set<string>();
  /** Every method fails. */
  isLost = false;
  appended = 0;

  async claim(name: string, tenant: string): Promise<RelayClaim> {
    const key = `${tenant} ${name}`;
    const known = this.#claims.get(key);
    if (known !== undefined) return { call: { tenant, name, id: known }, isMine: false };
    this.#ids += 1;
    const id = `call-${this.#ids}`;
    this.#claims.set(key, id);
    return { call: { tenant, name, id }, isMine: true };
  }

  async append(
    { id }: RelayedCall,
    part: RelayPart | undefined,
    number: number,
    firstKept: number,
  ): Promise<boolean> {
    this.#check();
    this.appended += 1;
    const parts = this.#parts.get(id) ?? [];
    // As a store outside the process has it: frames are copies.
    if (part) parts.push({ number, part: structuredClone(part) });
    this.#parts.set(
      id,
      parts.filter((kept) => kept.number >= firstKept),
    );
    return this.readers.has(id);
  }

  release({ tenant, name, id }: RelayedCall): void {
    const key = `${tenant} ${name}`;
    if (this.#claims.get(key) === id) this.#claims.delete(key);
  }

  async read({ tenant, name, id }: RelayedCall, after: number, most: number): Promise<RelayReading> {
    this.#check();
    this.readers.add(id);
    const kept = (this.#parts.get(id) ?? []).filter(({ number }) => number > after).slice(0, most);
    const isTorn = kept.length > 0 && kept[0]?.number !== after + 1;
    return {
      parts: isTorn ? [] : kept.map(({ part }) => part),
      isTorn,
      isAlive: this.#claims.get(`${tenant} ${name}`) === id,
    };
  }

  /** Bytes of the parts of all calls. */
  get bytes(): number {
    return [...this.#parts.values()]
      .flat()
      .flatMap(({ part }) => part.frames)
      .reduce((sum, { bytes }) => sum + (bytes?.length ?? 0), 0);
  }

  #check(): void {
    if (this.isLost) throw new Error('the store is lost');
  }
}
