import type { Clock } from '../core/clock.ts';
import type { EventSink } from '../events/event-bus.ts';
import { fieldsOf, type RedisClient } from '../platform/redis-client.ts';
import { RedisScript } from '../storage/kv/redis-script.ts';
import type { Period } from './calendar.ts';
import type { Charge, Counter } from './counter.ts';
import {
  type CounterState,
  type LimitStore,
  type Reservation,
  type ReserveResult,
  StoreUnavailableError,
  type UsedPeriod,
  unchargedIndexesOf,
} from './limit-store.ts';
import type { Settlement } from './redis-limit-batch.ts';
import { LEASE_MS, type Part, RedisLimitKeys, SLOT_TTL_MS, ttlMs } from './redis-limit-keys.ts';
import { RedisLimitSender } from './redis-limit-sender.ts';

export interface RedisLimitStoreOptions {
  readonly client: RedisClient;
  readonly prefix: string;
  /** Id of this gateway, unique among all that share the store. */
  readonly replica: string;
  readonly clock: Clock;
  /** True for a Redis cluster, where one script may access one hash slot only. */
  readonly cluster: boolean;
  /** Last known use of a quota or budget, for a store that has lost it. */
  readonly cachedUse: (counter: string, period: string) => number;
  /** Called with the use of quotas and budgets after each reservation. */
  readonly onUse: (counter: string, period: string, used: number) => void;
  readonly events: EventSink;
}

/** Beyond this number of queued settlements, the oldest are dropped. */
const MAX_UNSETTLED = 200_000;
/** Settlements of one script call after an outage, or for a crashed gateway. */
const SETTLE_BATCH_SIZE = 400;
/** Lifetime of the mark that an addition was executed. */
const MARK_MS = 86_400_000;
/** Time after which a reservation without a response cannot be executed any more. */
const ABANDONED_MS = 600_000;
/** Journal entry of a reservation without a response: should Redis execute it later, it takes nothing. */
const ABANDONED = '-';

/** Decides a reservation while the store is unreachable. @throws StoreUnavailableError to reject the request */
export type OnUnavailable = (charges: readonly Charge[], unavailable: StoreUnavailableError) => ReserveResult;

/**
 * Limits that several gateways share, in Redis or Valkey. A request takes one round trip, shared with the other requests
 * of the same event-loop turn. Fails closed with `StoreUnavailableError` while the store is unreachable.
 */
export class RedisLimitStore implements LimitStore {
  readonly #keys: RedisLimitKeys;
  readonly #sender: RedisLimitSender;
  readonly #limits: RedisScript;
  readonly #add: RedisScript;
  readonly #raise: RedisScript;
  readonly #heartbeatScript: RedisScript;
  /** Concurrency slots that this gateway holds, by counter key. */
  readonly #held = new Map<string, { readonly counter: Counter; readonly held: number }>();
  readonly #unsettled = new Map<string, { readonly tag: string; readonly settlement: Settlement }>();
  readonly #tags = new Set<string>();
  /** Number of reservations so far: their id within this gateway's journal. */
  #ids = 0;
  /** Reservations without a response, oldest first, whose journal entries are to be removed later. */
  #abandoned: { readonly tag: string; readonly id: string; readonly at: number }[] = [];

  constructor(private readonly options: RedisLimitStoreOptions) {
    const { client, clock, replica, prefix, cluster } = options;
    const keys = new RedisLimitKeys(prefix, cluster);
    this.#keys = keys;
    this.#limits = new RedisScript(client, 'limits');
    this.#add = new RedisScript(client, 'add');
    this.#raise = new RedisScript(client, 'raise');
    this.#heartbeatScript = new RedisScript(client, 'hold');
    this.#sender = new RedisLimitSender({
      ...{ client, clock, replica, leaseMs: LEASE_MS },
      journal: (tag) => keys.journal(tag, replica),
      inRedis: ({ counter, period }) => ({
        key: keys.counter(counter, period),
        known: period ? options.cachedUse(counter.key, period.id) : 0,
        ttlMs: ttlMs(counter, period, clock.wallTime()),
      }),
      onUse: ({ counter, period }, used) => {
        if (period) options.onUse(counter.key, period.id, used);
      },
      onUnsettled: (tag, settlements) => {
        for (const settlement of settlements) this.#keep(tag, settlement);
      },
    });
  }

  /** True while connected. */
  get ready(): boolean {
    return this.options.client.ready;
  }

  /** Number of settlements that the store has not confirmed. */
  get unsettled(): number {
    return this.#unsettled.size + this.#sender.unsettled;
  }

  /** @param onUnavailable decides while the store is unreachable; without it, the promise rejects */
  reserve(charges: readonly Charge[], onUnavailable?: OnUnavailable): Promise<ReserveResult> {
    this.#ids += 1;
    const id = String(this.#ids);
    const parts = this.#keys.parts(charges);
    if (!parts) return this.#reserve('', id, charges, onUnavailable);
    const result = this.#reserveAll(id, charges, parts);
    if (!onUnavailable) return result;
    return result.catch((error: unknown) => {
      if (error instanceof StoreUnavailableError) return onUnavailable(charges, error);
      throw error;
    });
  }

  settle(reservation: Reservation, used: readonly number[]): void {
    const { id, charges, unchargedIndexes } = reservation;
    let slots = false;
    for (let index = 0; index < charges.length; index += 1) {
      const charge = charges[index];
      if (charge?.counter.kind !== 'concurrency' || unchargedIndexes.includes(index)) continue;
      slots = true;
      this.#count(charge.counter, (used[index] ?? 0) - charge.amount);
    }
    const parts = this.#keys.parts(charges);
    if (!parts) {
      this.#settle('', { reservation, used }, slots);
      return;
    }
    for (const { tag, charges: some, indexes } of parts) {
      const unchargedHere = indexes.flatMap((index, at) => (unchargedIndexes.includes(index) ? [at] : []));
      const usedHere = indexes.map((index) => used[index] ?? 0);
      const part = { id, charges: some, unchargedIndexes: unchargedHere };
      this.#settle(tag, { reservation: part, used: usedHere }, slots);
    }
  }

  async stateOf(counter: Counter, period: Period | undefined): Promise<CounterState> {
    const key = this.#keys.counter(counter, period);
    try {
      if (counter.kind === 'concurrency') {
        const now = this.options.clock.wallTime();
        const held = fieldsOf(await this.options.client.call('HGETALL', [key]));
        return held.reduce((sum, [, entry]) => {
          const [count, until] = entry.split('|').map(Number);
          return (until ?? 0) < now ? sum : sum + (count ?? 0);
        }, 0);
      }
      const reply = await this.options.client.call('GET', [key]);
      const stored = reply === null ? null : String(reply);
      if (counter.kind === 'period') {
        return stored === null ? this.options.cachedUse(counter.key, period?.id ?? '') : Number(stored);
      }
      if (stored === null) return counter.capacity;
      const [level = 0, since = 0] = stored.split(' ').map(Number);
      const now = this.options.clock.wallTime();
      return Math.min(counter.capacity, level + Math.max(0, now - since) * counter.perMs);
    } catch (cause) {
      throw new StoreUnavailableError('the limit store did not respond', { cause });
    }
  }

  /**
   * Adds use that was counted while the store was unreachable. A retry with the same id has no effect.
   *
   * @throws Error when the store is unreachable
   */
  async add(
    id: string,
    uses: readonly { readonly counter: Counter; readonly period: Period; readonly amount: number }[],
  ): Promise<void> {
    const now = this.options.clock.wallTime();
    for (const [tag, some] of Map.groupBy(uses, ({ counter }) => this.#keys.tag(counter))) {
      const counters = some.map(({ counter, period, amount }) => [
        amount,
        // The last known use already includes this amount.
        Math.max(0, this.options.cachedUse(counter.key, period.id) - amount),
        ttlMs(counter, period, now),
      ]);
      const keys = some.flatMap(({ counter, period }) => this.#keys.raisable(counter, period));
      await this.#add.run([this.#keys.added(tag, id), ...keys], [MARK_MS, counters]);
    }
  }

  async raise(used: readonly UsedPeriod[]): Promise<void> {
    const now = this.options.clock.wallTime();
    try {
      for (const some of Map.groupBy(used, ({ counter }) => this.#keys.tag(counter)).values()) {
        for (let at = 0; at < some.length; at += SETTLE_BATCH_SIZE) {
          const part = some.slice(at, at + SETTLE_BATCH_SIZE);
          const keys = part.flatMap(({ counter, period }) => this.#keys.raisable(counter, period));
          const counters = part.map(({ counter, period, used: least }) => [
            least,
            this.options.cachedUse(counter.key, period.id),
            ttlMs(counter, period, now),
          ]);
          await this.#raise.run(keys, [counters]);
        }
      }
    } catch (cause) {
      throw new StoreUnavailableError('the limit store did not respond', { cause });
    }
  }

  /**
   * Renews this gateway's concurrency slots, sends queued settlements and settles for crashed gateways. Call it every
   * 2 seconds; slots expire 10 seconds after the last call.
   *
   * @returns the number of gateways that share the store, at least 1
   * @throws Error when the store is unreachable
   */
  async heartbeat(): Promise<number> {
    const { client, replica } = this.options;
    const now = this.options.clock.wallTime();
    await client.call('HSET', [this.#keys.replicas, replica, String(now)]);
    for (const tag of this.#tags) await client.call('SADD', [this.#keys.tags(replica), tag]);
    for (const { counter, held } of this.#held.values())
      await this.#heartbeatScript.run([this.#keys.counter(counter, undefined)], [replica, LEASE_MS, [held]]);
    await this.#sendUnsettled();
    await this.#forgetAbandoned();
    let alive = 0;
    for (const [other, seenAt] of fieldsOf(await client.call('HGETALL', [this.#keys.replicas]))) {
      if (now - Number(seenAt) < LEASE_MS) alive += 1;
      else await this.settleFor(other);
    }
    return Math.max(1, alive);
  }

  async close(): Promise<void> {
    const { client, replica } = this.options;
    try {
      await this.#sender.flush();
      await this.#sendUnsettled();
      if (this.ready && this.unsettled === 0) await client.call('HDEL', [this.#keys.replicas, replica]);
    } catch {
      // The store is unreachable: another gateway settles for this one after its lease expires.
    }
    client.disconnect();
  }

  /**
   * Settles for a crashed gateway: releases its slots, and leaves its other charges in place.
   * @throws Error when the store is unreachable
   */
  async settleFor(replica: string): Promise<void> {
    const { client, cluster } = this.options;
    let unavailable = 0;
    const members = await client.call('SMEMBERS', [this.#keys.tags(replica)]);
    // The only tag outside of a cluster is not in the list before the first heartbeat.
    const tags = new Set([...(Array.isArray(members) ? members.map(String) : []), ...(cluster ? [] : [''])]);
    for (const tag of tags) {
      const journal = this.#keys.journal(tag, replica);
      const fields = fieldsOf(await client.call('HGETALL', [journal]));
      const entries = fields.map(([id, entry]) => [id, entry === ABANDONED ? '[]' : entry] as const);
      unavailable += fields.filter(([, entry]) => entry !== ABANDONED).length;
      for (let at = 0; at < entries.length; at += SETTLE_BATCH_SIZE)
        await this.#releaseAbandoned(replica, journal, entries.slice(at, at + SETTLE_BATCH_SIZE));
    }
    await client.call('DEL', [this.#keys.tags(replica)]);
    await client.call('HDEL', [this.#keys.replicas, replica]);
    if (unavailable > 0) this.options.events.emit('limit_store.reservations_expired', { count: unavailable });
  }

  /** @param entries of a journal: id of a reservation, and the keys of its slots as a JSON list */
  async #releaseAbandoned(
    replica: string,
    journal: string,
    entries: readonly (readonly [string, string])[],
  ): Promise<void> {
    const keys: string[] = [];
    const settlements = entries.flatMap(([id, entry]) => {
      const slots: unknown = JSON.parse(entry);
      const held = Array.isArray(slots) ? slots.map(String) : [];
      const corrections = held.flatMap((key) => {
        const known = keys.indexOf(key);
        return [known < 0 ? keys.push(key) : known + 1, -1];
      });
      return [id, held.length, ...corrections];
    });
    const counters = keys.map(() => ['h', 'e', 0, 0, 0, SLOT_TTL_MS]);
    await this.#limits.run([journal, ...keys], [replica, LEASE_MS, counters, settlements, [], []]);
  }

  /** Removes journal entries of reservations that can no longer be executed. */
  async #forgetAbandoned(): Promise<void> {
    const { client, clock, replica } = this.options;
    const before = clock.now() - ABANDONED_MS;
    while (this.#abandoned[0] && this.#abandoned[0].at < before) {
      const some = this.#abandoned.slice(0, SETTLE_BATCH_SIZE).filter(({ at }) => at < before);
      for (const [tag, ids] of Map.groupBy(some, (one) => one.tag))
        await client.call('HDEL', [this.#keys.journal(tag, replica), ...ids.map(({ id }) => id)]);
      this.#abandoned = this.#abandoned.slice(some.length);
    }
  }

  async #sendUnsettled(): Promise<void> {
    const waiting = [...this.#unsettled];
    for (let at = 0; at < waiting.length; at += SETTLE_BATCH_SIZE) {
      const some = waiting.slice(at, at + SETTLE_BATCH_SIZE);
      for (const [name, { tag, settlement }] of some) {
        this.#unsettled.delete(name);
        this.#sender.settle(tag, settlement, true);
      }
      await this.#sender.flush();
      if (some.some(([name]) => this.#unsettled.has(name)))
        throw new StoreUnavailableError('the limit store did not accept queued settlements');
    }
  }

  /** Without a response, the reservation is settled at once, in case Redis executed it, and `onUnavailable` decides. */
  #reserve(
    tag: string,
    id: string,
    charges: readonly Charge[],
    onUnavailable?: OnUnavailable,
  ): Promise<ReserveResult> {
    this.#tags.add(tag);
    return new Promise((resolve, reject) => {
      this.#sender.reserve(tag, {
        id,
        charges,
        resolve: (result) => {
          if (result.granted) this.#hold(result.reservation);
          resolve(result);
        },
        failed: (cause) => {
          this.#abandoned.push({ tag, id, at: this.options.clock.now() });
          this.#settle(
            tag,
            { reservation: { id, charges, unchargedIndexes: [] }, used: [], abandoned: true },
            true,
          );
          const unavailable = new StoreUnavailableError('the limit store did not respond', { cause });
          if (!onUnavailable) reject(unavailable);
          else {
            try {
              resolve(onUnavailable(charges, unavailable));
            } catch (error) {
              reject(error);
            }
          }
        },
      });
    });
  }

  /** Counts the concurrency slots of a reservation. */
  #hold({ charges, unchargedIndexes }: Reservation): void {
    for (let index = 0; index < charges.length; index += 1) {
      const charge = charges[index];
      if (charge?.counter.kind === 'concurrency' && !unchargedIndexes.includes(index))
        this.#count(charge.counter, charge.amount);
    }
  }

  /** Reserves in several hash slots. If one part is rejected or fails, the other parts are settled with a use of 0. */
  async #reserveAll(id: string, charges: readonly Charge[], parts: readonly Part[]): Promise<ReserveResult> {
    const outcomes = await Promise.allSettled(
      parts.map(({ tag, charges: some }) => this.#reserve(tag, id, some)),
    );
    const counterStates: number[] = [];
    const over: number[] = [];
    let refusal: ReserveResult | undefined;
    for (const [at, outcome] of outcomes.entries()) {
      if (outcome.status === 'rejected') continue;
      const result = outcome.value;
      const indexOf = (index: number) => parts[at]?.indexes[index] ?? 0;
      if (!result.granted) {
        refusal ??= { ...result, refused: indexOf(result.refused) };
        continue;
      }
      result.counterStates.forEach((counterState, index) => {
        counterStates[indexOf(index)] = counterState;
      });
      over.push(...result.over.map(indexOf));
    }
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (!failure && !refusal)
      return {
        granted: true,
        reservation: { id, charges, unchargedIndexes: unchargedIndexesOf(charges, over) },
        counterStates,
        over,
      };
    for (const outcome of outcomes)
      if (outcome.status === 'fulfilled' && outcome.value.granted) this.settle(outcome.value.reservation, []);
    if (!refusal || failure) throw failure?.reason;
    return refusal;
  }

  #settle(tag: string, settlement: Settlement, soon: boolean): void {
    if (this.ready) this.#sender.settle(tag, settlement, soon);
    else this.#keep(tag, settlement);
  }

  #count(counter: Counter, difference: number): void {
    const held = (this.#held.get(counter.key)?.held ?? 0) + difference;
    if (held > 0) this.#held.set(counter.key, { counter, held });
    else this.#held.delete(counter.key);
  }

  #keep(tag: string, settlement: Settlement): void {
    this.#unsettled.set(`${settlement.reservation.id} ${tag}`, { tag, settlement });
    if (this.#unsettled.size <= MAX_UNSETTLED) return;
    const [oldest] = this.#unsettled.keys();
    if (oldest !== undefined) this.#unsettled.delete(oldest);
  }
}
