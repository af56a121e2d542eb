import type { Clock } from '../core/clock.ts';
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
  unchargedIndexesOf,
} from './limit-store.ts';
import type { Settlement } from './redis-limit-batch.ts';
import { LEASE_MS, type Part, RedisLimitKeys, SLOT_TTL_MS, ttlMs } from './redis-limit-keys.ts';
import { RedisLimitSender } from './redis-limit-sender.ts';

export interface RedisLimitStoreOptions {
  readonly client: RedisClient;
  readonly prefix: string;
  /** This gateway; no other has the same. */
  readonly replica: string;
  readonly clock: Clock;
  /** In a cluster, keys of one step must lie together. */
  readonly cluster: boolean;
  /** What is known to be used, should the store have lost it. */
  readonly cachedUse: (counter: string, period: string) => number;
  /** Told of what each step has shown to be used of quotas and budgets. */
  readonly onUse: (counter: string, period: string, used: number) => void;
  /** Told of reservations of gateways that are gone; what they took of quotas and budgets stays taken. */
  readonly onLost: (count: number) => void;
}

/** Settlements that wait for the store; more than these are given up, the oldest first. */
const MAX_UNSETTLED = 200_000;
/** Settled in one step when the store is back, or for a gateway that is gone. */
const SETTLE_BATCH_SIZE = 400;
const MARK_MS = 86_400_000;
const ABANDONED_MS = 600_000;
/** What stands in the journal for a reservation that nobody waits for any more. */
const ABANDONED = '-';

/** Answers in place of the store. @throws what the request is to be refused with */
export type OnUnavailable = (charges: readonly Charge[], unavailable: StoreUnavailableError) => ReserveResult;

/** Limits that several gateways share, in Redis or Valkey: one step, and one round trip, for each request. */
export class RedisLimitStore implements LimitStore {
  readonly #keys: RedisLimitKeys;
  readonly #sender: RedisLimitSender;
  readonly #limits: RedisScript;
  readonly #add: RedisScript;
  readonly #heartbeatScript: RedisScript;
  /** Places that this gateway holds. */
  readonly #held = new Map<string, { readonly counter: Counter; readonly held: number }>();
  readonly #unsettled = new Map<string, { readonly tag: string; readonly settlement: Settlement }>();
  readonly #tags = new Set<string>();
  /** Reservations so far. They are told apart by their gateway's journal and this. */
  #ids = 0;
  /** Reservations that got no answer, the oldest first: their marks in the journal are to be removed some day. */
  #abandoned: { readonly tag: string; readonly id: string; readonly at: number }[] = [];

  constructor(private readonly options: RedisLimitStoreOptions) {
    const { client, clock, replica, prefix, cluster } = options;
    const keys = new RedisLimitKeys(prefix, cluster);
    this.#keys = keys;
    this.#limits = new RedisScript(client, 'limits');
    this.#add = new RedisScript(client, 'add');
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

  get ready(): boolean {
    return this.options.client.ready;
  }

  /** Settlements that the store has not been told of. */
  get unsettled(): number {
    return this.#unsettled.size + this.#sender.unsettled;
  }

  /** @param onUnavailable answers where the store does not; without it, that is an error */
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
      throw new StoreUnavailableError('the store of limits did not answer', { cause });
    }
  }

  /**
   * Adds what was used while the store was not to be reached. Sent again with the same id, it is added once.
   * @throws when the store can't be reached now
   */
  async add(
    id: string,
    uses: readonly { readonly counter: Counter; readonly period: Period; readonly amount: number }[],
  ): Promise<void> {
    const now = this.options.clock.wallTime();
    for (const [tag, some] of Map.groupBy(uses, ({ counter }) => this.#keys.tag(counter))) {
      const counters = some.map(({ counter, period, amount }) => [
        amount,
        // What is known by now has this in it.
        Math.max(0, this.options.cachedUse(counter.key, period.id) - amount),
        ttlMs(counter, period, now),
      ]);
      const keys = some.map(({ counter, period }) => this.#keys.counter(counter, period));
      await this.#add.run([this.#keys.added(tag, id), ...keys], [MARK_MS, counters]);
    }
  }

  /**
   * To be called every few seconds: says that this gateway lives, sends what waits, and settles for those that no longer do.
   * @returns how many gateways share the store
   * @throws when the store can't be reached now
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
      else await this.#settleFor(other);
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
      // The store is gone: another gateway settles for this one when its time is over.
    }
    client.disconnect();
  }

  /** Settles for a gateway that is gone: its places come back, what it took otherwise stays taken. */
  async #settleFor(replica: string): Promise<void> {
    const { client } = this.options;
    let unavailable = 0;
    const tags = await client.call('SMEMBERS', [this.#keys.tags(replica)]);
    for (const tag of Array.isArray(tags) ? tags.map(String) : []) {
      const journal = this.#keys.journal(tag, replica);
      const fields = fieldsOf(await client.call('HGETALL', [journal]));
      const entries = fields.map(([id, entry]) => [id, entry === ABANDONED ? '[]' : entry] as const);
      unavailable += fields.filter(([, entry]) => entry !== ABANDONED).length;
      for (let at = 0; at < entries.length; at += SETTLE_BATCH_SIZE)
        await this.#releaseAbandoned(replica, journal, entries.slice(at, at + SETTLE_BATCH_SIZE));
    }
    await client.call('DEL', [this.#keys.tags(replica)]);
    await client.call('HDEL', [this.#keys.replicas, replica]);
    if (unavailable > 0) this.options.onLost(unavailable);
  }

  /** @param entries of a journal: a reservation, and the keys of its places as JSON */
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

  /** What has not come for so long will not come any more. */
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
        throw new StoreUnavailableError('the store of limits did not take what was settled');
    }
  }

  /** Rejected with a StoreUnavailableError when there is no answer; what was taken all the same is given back. */
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
          const unavailable = new StoreUnavailableError('the store of limits did not answer', { cause });
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

  /** Counts the places that a reservation holds. */
  #hold({ charges, unchargedIndexes }: Reservation): void {
    for (let index = 0; index < charges.length; index += 1) {
      const charge = charges[index];
      if (charge?.counter.kind === 'concurrency' && !unchargedIndexes.includes(index))
        this.#count(charge.counter, charge.amount);
    }
  }

  /** Where keys do not all lie together: what one part refuses, or does not answer, the others give back. */
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
