import type { Period } from './calendar.ts';
import type { Charge, Counter } from './counter.ts';

/** Concurrency slots of a gateway are released this long after its last heartbeat. */
export const LEASE_MS = 10_000;
/** Lifetime of the key of concurrency slots after its last change. */
export const SLOT_TTL_MS = LEASE_MS * 4;
/** Lifetime of a rate's key beyond the time that its bucket takes to fill. */
const IDLE_MS = 120_000;
/** A period's key outlives it, for late settlements and reports. */
const TTL_AFTER_PERIOD_MS = 2 * 86_400_000;

/** The charges of a request whose keys are in one hash slot of the cluster, so that one script can access them. */
export interface Part {
  /** The hash tag of the keys. */
  readonly tag: string;
  readonly charges: readonly Charge[];
  /** Their indexes among all charges of the request. */
  readonly indexes: readonly number[];
}

/** Names of the Redis keys of limits. */
export class RedisLimitKeys {
  /**
   * @param prefix begins every key
   * @param cluster true where one script may access one hash slot only: all keys of a tenant then share a slot, and all
   *   keys of addresses, models and targets another
   */
  constructor(
    private readonly prefix: string,
    private readonly cluster: boolean,
  ) {}

  /** The hash tag of a counter: the tenant, or empty without a cluster or a tenant. */
  tag({ subject }: Counter): string {
    if (!this.cluster) return '';
    const { scope, id } = subject;
    return scope === 'ip' || scope === 'model' || scope === 'target' ? '' : id.slice(0, id.indexOf('/'));
  }

  counter(counter: Counter, period: Period | undefined): string {
    const time = period ? `:${period.id}` : '';
    return `${this.#under(this.tag(counter))}:${counter.key}${time}`;
  }

  /** @returns the keys of a quota or budget, and of what it was raised by */
  raisable(counter: Counter, period: Period): readonly [counter: string, credit: string] {
    const key = this.counter(counter, period);
    return [key, `${key}:raised`];
  }

  /** Hash of a gateway's open reservations. */
  journal(tag: string, replica: string): string {
    return `${this.#under(tag)}:open:${replica}`;
  }

  /** Marks an addition as executed, so that a retry has no effect. */
  added(tag: string, id: string): string {
    return `${this.#under(tag)}:added:${id}`;
  }

  /** Hash of the gateways, with the time of each one's last heartbeat. */
  get replicas(): string {
    return `${this.prefix}:replicas`;
  }

  /** Set of the hash tags for which a gateway has a journal. */
  tags(replica: string): string {
    return `${this.prefix}:tags:${replica}`;
  }

  /** @returns the charges by hash tag; undefined without a cluster */
  parts(charges: readonly Charge[]): readonly Part[] | undefined {
    if (!this.cluster) return undefined;
    const parts = Map.groupBy(charges.entries(), ([, { counter }]) => this.tag(counter));
    return [...parts].map(([tag, some]) => ({
      tag,
      charges: some.map(([, charge]) => charge),
      indexes: some.map(([index]) => index),
    }));
  }

  #under(tag: string): string {
    return `${this.prefix}:{${tag === '' ? '-' : tag}}`;
  }
}

/** @returns milliseconds that a counter's key is kept after its last change */
export function ttlMs(counter: Counter, period: Period | undefined, now: number): number {
  if (counter.kind === 'rate') return Math.ceil((2 * counter.capacity) / counter.perMs) + IDLE_MS;
  if (counter.kind === 'concurrency') return SLOT_TTL_MS;
  return Math.max(0, (period?.endsAt ?? 0) - now) + TTL_AFTER_PERIOD_MS;
}
