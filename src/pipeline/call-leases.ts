import { type CachedResponse, type CacheEntry, usability } from '../cache/cache-entry.ts';
import { type CacheStore, SKIPPED } from '../cache/cache-store.ts';
import type { Clock } from '../core/clock.ts';

/** A gateway that crashed holds back the others for this long. Milliseconds. */
const LEASE_MS = 60_000;
const POLL_MS = 25;

type Entry = CacheEntry<CachedResponse>;

const NOTHING = Promise.resolve(undefined);

/** Lets one of several gateways make a call, while the others wait for the entry that it stores. */
export class CallLeases {
  readonly #pending = new Map<string, Promise<Entry | undefined>>();
  readonly #held = new Set<string>();

  constructor(
    private readonly store: Pick<CacheStore<CachedResponse>, 'get' | 'lease' | 'release'>,
    private readonly clock: Clock,
  ) {}

  /**
   * Waits while another gateway makes the same call.
   * @param deadlineAt monotonic milliseconds
   * @returns what the other one stored; undefined where this gateway has to make the call
   */
  acquire(key: string, tenant: string, deadlineAt: number): Promise<Entry | undefined> {
    // Requests of this gateway join the call that it makes.
    if (this.#held.has(key)) return NOTHING;
    const pending = this.#pending.get(key);
    if (pending) return pending;
    const made = this.#acquire(key, tenant, deadlineAt).finally(() => this.#pending.delete(key));
    this.#pending.set(key, made);
    return made;
  }

  /** Lets other gateways make the call again. To be called when the call has ended, and its response is being stored. */
  release(key: string, tenant: string): void {
    if (this.#held.delete(key)) this.store.release?.(key, tenant);
  }

  async #acquire(key: string, tenant: string, deadlineAt: number): Promise<Entry | undefined> {
    const { store, clock } = this;
    const until = Math.min(deadlineAt, clock.now() + LEASE_MS);
    while (clock.now() < until) {
      const isMine = await store.lease?.(key, tenant, LEASE_MS);
      if (isMine === true) this.#held.add(key);
      // Without the store, gateways do not wait for each other.
      if (isMine !== false) return undefined;
      await clock.sleep(POLL_MS);
      const found = await store.get(key, tenant);
      if (found === SKIPPED) return undefined;
      if (found && usability(found, key, tenant, clock.wallTime()) === 'fresh') return found;
    }
    return undefined;
  }
}
