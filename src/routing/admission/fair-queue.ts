/** `high` precedes `normal` among the requests of one tenant only; `low` follows all other requests of all tenants. */
export type Priority = 'high' | 'normal' | 'low';

export const PRIORITIES: readonly Priority[] = ['high', 'normal', 'low'];

/** A queued request. */
export interface Waiting {
  readonly tenant: string;
  /** The tenant's weight relative to others, above 0. */
  readonly weight: number;
  /** Expected input and output tokens. */
  readonly tokens: number;
  readonly priority: Priority;
  /** Monotonic milliseconds; among the requests of a tenant, the earliest deadline goes first. */
  readonly deadlineAt: number;
  /** Arrival number. */
  readonly order: number;
}

/** The queued requests of one tenant. */
interface Flow<T> {
  readonly tenant: string;
  /** Virtual time at which its next request may start. */
  start: number;
  /** In the order in which they are admitted. */
  readonly items: T[];
}

/** Above this number, finish times that have passed are dropped. */
const MAX_FINISH_TIMES = 2_000;

/**
 * Start-time fair queueing between tenants, measured in tokens. Each of n tenants with queued requests gets an nth of
 * the tokens, however many requests it sends; a tenant that sends few waits for little more than the next free slot.
 * @see "Start-time Fair Queueing", Goyal, Vin and Cheng, 1996
 * @see "Interposed Proportional Sharing for a Storage Service Utility", Jin, Chase and Kaur, 2004
 */
export class FairQueue<T extends Waiting> {
  readonly #foreground = new Map<string, Flow<T>>();
  readonly #background = new Map<string, Flow<T>>();
  /** Virtual finish time of the last admitted request, by tenant. */
  readonly #finish = new Map<string, number>();
  /** Virtual time: the start time of the last admitted request. */
  #virtual = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @returns the queued requests of a tenant, and the number of tenants with queued requests */
  backlog(tenant: string): { readonly own: number; readonly tenants: number } {
    const own = [this.#foreground, this.#background].map((flows) => flows.get(tenant)?.items.length ?? 0);
    const tenants = Math.max(this.#foreground.size, this.#background.size);
    return { own: own[0] || own[1] || 0, tenants };
  }

  add(item: T): void {
    const flows = this.#flows(item);
    let flow = flows.get(item.tenant);
    if (!flow) {
      const start = Math.max(this.#virtual, this.#finish.get(item.tenant) ?? 0);
      flow = { tenant: item.tenant, start, items: [] };
      flows.set(item.tenant, flow);
    }
    flow.items.splice(insertIndex(flow.items, item), 0, item);
    this.#size += 1;
  }

  /** @returns whether the request was queued */
  remove(item: T): boolean {
    const flows = this.#flows(item);
    const flow = flows.get(item.tenant);
    const at = flow?.items.indexOf(item) ?? -1;
    if (!flow || at < 0) return false;
    this.#take(flows, flow, at);
    return true;
  }

  /** Removes the next request and charges its tenant. */
  next(): T | undefined {
    const flows = this.#foreground.size > 0 ? this.#foreground : this.#background;
    let first: Flow<T> | undefined;
    for (const flow of flows.values()) if (!first || precedes(flow, first)) first = flow;
    if (!first) return undefined;
    const item = this.#take(flows, first, 0);
    if (item) first.start = this.#charge(item.tenant, item.tokens / item.weight, first.start);
    return item;
  }

  /** Charges a tenant for a request that did not queue. @param share tokens divided by the tenant's weight */
  attemptStarted(tenant: string, share: number): void {
    this.#charge(tenant, share, Math.max(this.#virtual, this.#finish.get(tenant) ?? 0));
  }

  /** Corrects a tenant's charge. @param share actual minus expected tokens, divided by the tenant's weight */
  settle(tenant: string, share: number): void {
    const finish = this.#finish.get(tenant);
    if (finish === undefined) return;
    this.#finish.set(tenant, finish + share);
    for (const flows of [this.#foreground, this.#background]) {
      const flow = flows.get(tenant);
      if (flow) flow.start += share;
    }
  }

  /**
   * Removes one request from a full queue: the last of the tenant with the most queued requests per weight, among
   * `low` requests where there are any.
   */
  shed(): T | undefined {
    const flows = this.#background.size > 0 ? this.#background : this.#foreground;
    let longest: Flow<T> | undefined;
    for (const flow of flows.values()) {
      if (!longest || loadOf(flow) > loadOf(longest)) longest = flow;
    }
    return longest && this.#take(flows, longest, longest.items.length - 1);
  }

  /** @returns all queued requests, in no particular order */
  all(): T[] {
    return [...this.#foreground.values(), ...this.#background.values()].flatMap(({ items }) => items);
  }

  #flows({ priority }: T): Map<string, Flow<T>> {
    return priority === 'low' ? this.#background : this.#foreground;
  }

  #take(flows: Map<string, Flow<T>>, flow: Flow<T>, at: number): T | undefined {
    const [item] = flow.items.splice(at, 1);
    if (item) this.#size -= 1;
    if (flow.items.length === 0) flows.delete(flow.tenant);
    return item;
  }

  /** @returns the virtual time at which the tenant's next request may start */
  #charge(tenant: string, share: number, start: number): number {
    this.#virtual = Math.max(this.#virtual, start);
    const finish = start + share;
    this.#finish.set(tenant, finish);
    if (this.#finish.size > MAX_FINISH_TIMES) {
      for (const [name, at] of this.#finish) if (at <= this.#virtual) this.#finish.delete(name);
    }
    return finish;
  }
}

/** Binary search for the position of a request among those of its tenant. */
function insertIndex<T extends Waiting>(items: readonly T[], item: T): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = items[middle];
    if (other && compare(other, item) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compare(a: Waiting, b: Waiting): number {
  const [first, second] = [PRIORITIES.indexOf(a.priority), PRIORITIES.indexOf(b.priority)];
  return first - second || a.deadlineAt - b.deadlineAt || a.order - b.order;
}

function precedes<T extends Waiting>(a: Flow<T>, b: Flow<T>): boolean {
  return a.start < b.start || (a.start === b.start && (a.items[0]?.order ?? 0) < (b.items[0]?.order ?? 0));
}

/** Queued requests of a tenant per weight. */
function loadOf<T extends Waiting>({ items }: Flow<T>): number {
  return items.length / (items[0]?.weight ?? 1);
}
