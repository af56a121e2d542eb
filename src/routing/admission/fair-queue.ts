/** `high` goes before `normal` among a tenant's own requests only; `low` goes after everybody's others. */
export type Priority = 'high' | 'normal' | 'low';

export const PRIORITIES: readonly Priority[] = ['high', 'normal', 'low'];

/** Somebody who waits. */
export interface Waiting {
  readonly tenant: string;
  /** The tenant's share in relation to others'; 1 for most. */
  readonly weight: number;
  /** What the request is expected to cost: tokens of prompt and answer. */
  readonly tokens: number;
  readonly priority: Priority;
  /** Monotonic milliseconds; who must be done earlier goes first, among a tenant's own. */
  readonly deadlineAt: number;
  /** Counts up with arrival. */
  readonly order: number;
}

/** The requests of one tenant that wait. */
interface Flow<T> {
  readonly tenant: string;
  /** Virtual time at which its next request may begin. */
  start: number;
  /** In the order in which they go. */
  readonly items: T[];
}

/** Tenants whose debts are remembered, before those who owe nothing are forgotten. */
const MAX_DEBTS = 2_000;

/**
 * Start-time fair queueing between tenants, measured in tokens (Goyal, Vin, Cheng 1996; with several requests at a time:
 * Jin, Chase, Kaur 2004). However much a tenant sends, each of n tenants that have something waiting gets an nth of
 * the tokens, and one that sends little waits for little more than the next free slot.
 */
export class FairQueue<T extends Waiting> {
  readonly #foreground = new Map<string, Flow<T>>();
  readonly #background = new Map<string, Flow<T>>();
  /** Virtual time at which a tenant has used up what it was given, by tenant. */
  readonly #finish = new Map<string, number>();
  /** Virtual time: where the request that began last stood. */
  #virtual = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Those of a tenant that wait, and how many tenants have any waiting. */
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

  /** @returns whether it was waiting */
  remove(item: T): boolean {
    const flows = this.#flows(item);
    const flow = flows.get(item.tenant);
    const at = flow?.items.indexOf(item) ?? -1;
    if (!flow || at < 0) return false;
    this.#take(flows, flow, at);
    return true;
  }

  /** Takes the one whose turn it is, and charges its tenant. */
  next(): T | undefined {
    const flows = this.#foreground.size > 0 ? this.#foreground : this.#background;
    let first: Flow<T> | undefined;
    for (const flow of flows.values()) if (!first || precedes(flow, first)) first = flow;
    if (!first) return undefined;
    const item = this.#take(flows, first, 0);
    if (item) first.start = this.#charge(item.tenant, item.tokens / item.weight, first.start);
    return item;
  }

  /** Charges a tenant for a request that began at once. @param share tokens by the tenant's weight */
  attemptStarted(tenant: string, share: number): void {
    this.#charge(tenant, share, Math.max(this.#virtual, this.#finish.get(tenant) ?? 0));
  }

  /** Sets right what a tenant was charged, when it is known. @param share tokens by weight more than were expected */
  settle(tenant: string, share: number): void {
    const finish = this.#finish.get(tenant);
    if (finish === undefined) return;
    this.#finish.set(tenant, finish + share);
    for (const flows of [this.#foreground, this.#background]) {
      const flow = flows.get(tenant);
      if (flow) flow.start += share;
    }
  }

  /** Takes one to make room: of those in the background if there are any, of the tenant that has most waiting, the last. */
  shed(): T | undefined {
    const flows = this.#background.size > 0 ? this.#background : this.#foreground;
    let longest: Flow<T> | undefined;
    for (const flow of flows.values()) {
      if (!longest || loadOf(flow) > loadOf(longest)) longest = flow;
    }
    return longest && this.#take(flows, longest, longest.items.length - 1);
  }

  /** A copy of all who wait, in no order. */
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

  /** @returns the virtual time at which the tenant's next request may begin */
  #charge(tenant: string, share: number, start: number): number {
    this.#virtual = Math.max(this.#virtual, start);
    const finish = start + share;
    this.#finish.set(tenant, finish);
    if (this.#finish.size > MAX_DEBTS) {
      for (const [name, at] of this.#finish) if (at <= this.#virtual) this.#finish.delete(name);
    }
    return finish;
  }
}

/** Where an item belongs among its tenant's others. */
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

/** How much waits of a tenant, by its weight. */
function loadOf<T extends Waiting>({ items }: Flow<T>): number {
  return items.length / (items[0]?.weight ?? 1);
}
