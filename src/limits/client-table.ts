/** Clients that a table holds at most, however many addresses a stranger has. */
export const MAX_CLIENTS = 100_000;
/** States that are examined to make room for a client. */
const EXAMINED = 32;

export interface ClientTableOptions<State> {
  readonly create: () => State;
  /**
   * How far the state is from that of a new client: 0 for one that equals it, up to 1. Undefined for a state that must be
   * kept, such as that of a client that is being refused: forgetting it would reset its limit.
   */
  readonly used: (state: State) => number | undefined;
  /** {@link MAX_CLIENTS} when absent. */
  readonly max?: number;
}

interface Entry<State> {
  readonly state: State;
  /** The client's position in the order of examination. */
  readonly slot: number;
}

/**
 * The states of clients, with a hard bound. Room for a new client is made at the expense of states that equal those of new
 * clients, then of the least used ones, and never of those that must be kept. Where there is none, all clients without a
 * state share one: strangers compete with each other.
 */
export class ClientTable<State> {
  readonly #entries = new Map<string, Entry<State>>();
  /** The clients by slot. Examined in turn, so that each is examined again only after all others. */
  readonly #slots: (string | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #max: number;
  #hand = 0;
  #shared: State | undefined;

  constructor(private readonly options: ClientTableOptions<State>) {
    this.#max = options.max ?? MAX_CLIENTS;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @returns the state of a client, if it has one of its own */
  find(client: string): State | undefined {
    return this.#entries.get(client)?.state;
  }

  /** @returns the state of a client: its own, a new one, or that which clients without one share */
  of(client: string): State {
    const known = this.#entries.get(client);
    if (known !== undefined) return known.state;
    const slot = this.#freeSlot();
    if (slot === undefined) {
      this.#shared ??= this.options.create();
      return this.#shared;
    }
    const state = this.options.create();
    this.#slots[slot] = client;
    this.#entries.set(client, { state, slot });
    return state;
  }

  delete(client: string): void {
    const entry = this.#entries.get(client);
    if (!entry) return;
    this.#entries.delete(client);
    this.#slots[entry.slot] = undefined;
    this.#free.push(entry.slot);
  }

  #freeSlot(): number | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    return this.#slots.length < this.#max ? this.#slots.length : this.#takeSlot();
  }

  /** @returns the slot of the client that was removed; undefined where none of those examined may be */
  #takeSlot(): number | undefined {
    let least: Entry<State> | undefined;
    let leastUsed = Number.POSITIVE_INFINITY;
    for (let examined = 0; examined < EXAMINED && leastUsed > 0; examined += 1) {
      const entry = this.#entries.get(this.#slots[this.#hand] ?? '');
      this.#hand = (this.#hand + 1) % this.#max;
      const used = entry && this.options.used(entry.state);
      if (used !== undefined && used < leastUsed) [least, leastUsed] = [entry, used];
    }
    if (!least) return undefined;
    this.#entries.delete(this.#slots[least.slot] ?? '');
    return least.slot;
  }
}
