import type { Period } from './calendar.ts';
import type { Charge, Counter } from './counter.ts';

/** Places are held so long without a sign of life. */
export const LEASE_MS = 10_000;
export const SLOT_TTL_MS = LEASE_MS * 4;
const IDLE_MS = 120_000;
const TTL_AFTER_PERIOD_MS = 2 * 86_400_000;

/** What of a request has its keys together, so that one step can work on them. */
export interface Part {
  readonly tag: string;
  readonly charges: readonly Charge[];
  /** Where they stand among all of the request's. */
  readonly indexes: readonly number[];
}

/** The names of what limits keep in Redis. */
export class RedisLimitKeys {
  /** @param cluster whether keys of one step must lie together: then those of a tenant do, and those of all others */
  constructor(
    private readonly prefix: string,
    private readonly cluster: boolean,
  ) {}

  /** What keys that lie together have in common: the tenant, where there is one. */
  tag({ subject }: Counter): string {
    if (!this.cluster) return '';
    const { scope, id } = subject;
    return scope === 'ip' || scope === 'model' || scope === 'target' ? '' : id.slice(0, id.indexOf('/'));
  }

  counter(counter: Counter, period: Period | undefined): string {
    const time = period ? `:${period.id}` : '';
    return `${this.#under(this.tag(counter))}:${counter.key}${time}`;
  }

  /** Reservations of a gateway that are not settled. */
  journal(tag: string, replica: string): string {
    return `${this.#under(tag)}:open:${replica}`;
  }

  /** That something was added. */
  added(tag: string, id: string): string {
    return `${this.#under(tag)}:added:${id}`;
  }

  /** Who works here, and when each was last seen. */
  get replicas(): string {
    return `${this.prefix}:replicas`;
  }

  /** Where a gateway has journals. */
  tags(replica: string): string {
    return `${this.prefix}:tags:${replica}`;
  }

  /** Undefined where all lie together, as they do on a single server. */
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

/** How long the key of a counter is kept after it was last changed, in milliseconds. */
export function ttlMs(counter: Counter, period: Period | undefined, now: number): number {
  if (counter.kind === 'rate') return Math.ceil((2 * counter.capacity) / counter.perMs) + IDLE_MS;
  if (counter.kind === 'concurrency') return SLOT_TTL_MS;
  return Math.max(0, (period?.endsAt ?? 0) - now) + TTL_AFTER_PERIOD_MS;
}
