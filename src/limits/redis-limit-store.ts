import type { Clock } from '../core/clock.ts';
import { type RedisClient, RedisScript } from '../storage/kv/redis-client.ts';
import type { Period } from './calendar.ts';
import type { Charge, Counter } from './counter.ts';
import {
  type LimitStore,
  type Reservation,
  type ReserveAnswer,
  type Standing,
  StoreLostError,
} from './limit-store.ts';

export interface RedisLimitStoreOptions {
  readonly client: RedisClient;
  readonly prefix: string;
  /** This gateway; no other has the same. */
  readonly replica: string;
  readonly clock: Clock;
  readonly newId: () => string;
  /** In a cluster, keys of one step must lie together: then those of a tenant do, and those of all others. */
  readonly cluster: boolean;
  /** What is known to be used, should the store have lost it. */
  readonly knownUse: (counter: string, period: string) => number;
  /** Told of what each step has shown to be used of quotas and budgets. */
  readonly onUse: (counter: string, period: string, used: number) => void;
  /** Told of reservations of gateways that are gone; what they took of quotas and budgets stays taken. */
  readonly onLost: (count: number) => void;
}

/** Places are held so long without a sign of life. */
const LEASE_MS = 10_000;
/** Settlements that wait for the store; more than these are given up, the oldest first. */
const MAX_UNSETTLED = 200_000;
const IDLE_MS = 120_000;
const KEPT_AFTER_PERIOD_MS = 2 * 86_400_000;
const MARK_MS = 86_400_000;

interface Settlement {
  readonly keys: readonly string[];
  readonly parameters: readonly (string | number)[];
}

/** A part of a reservation whose keys lie together. */
interface Group {
  readonly tag: string;
  readonly indexes: readonly number[];
}

/** Limits that several gateways share, in Redis or Valkey: one step, and one round trip, for each request. */
export class RedisLimitStore implements LimitStore {
  readonly #reserve: RedisScript;
  readonly #settle: RedisScript;
  readonly #add: RedisScript;
  readonly #hold: RedisScript;
  /** Places that this gateway holds, by their keys. */
  readonly #held = new Map<string, number>();
  readonly #unsettled = new Map<string, Settlement>();
  readonly #tags = new Set<string>();
  #sending = 0;

  constructor(private readonly options: RedisLimitStoreOptions) {
    const { client } = options;
    this.#reserve = new RedisScript(client, 'reserve');
    this.#settle = new RedisScript(client, 'settle');
    this.#add = new RedisScript(client, 'add');
    this.#hold = new RedisScript(client, 'hold');
  }

  get ready(): boolean {
    return this.options.client.status === 'ready';
  }

  /** Settlements that the store has not been told of. */
  get unsettled(): number {
    return this.#unsettled.size + this.#sending;
  }

  async reserve(charges: readonly Charge[]): Promise<ReserveAnswer> {
    const id = this.options.newId();
    const groups = this.#groups(charges);
    const answers = await Promise.allSettled(groups.map((group) => this.#reserveGroup(id, charges, group)));
    const failed = answers.find((answer) => answer.status === 'rejected');
    const granted = answers.map((answer) => answer.status === 'fulfilled' && answer.value.granted);
    if (failed || granted.includes(false)) {
      groups.forEach((group, index) => {
        // Whether a part that failed was taken is not known; giving it back does nothing if it was not.
        if (granted[index] || answers[index]?.status === 'rejected')
          this.#settleGroup(id, charges, group, () => 0, granted[index] === true);
      });
      if (failed) throw new StoreLostError('the store of limits did not answer', { cause: failed.reason });
    }
    const standings: number[] = [];
    const over: number[] = [];
    for (const [index, answer] of answers.entries()) {
      if (answer.status !== 'fulfilled') continue;
      const { indexes = [] } = groups[index] ?? {};
      if (!answer.value.granted) {
        const refused = indexes[answer.value.refused] ?? 0;
        return { granted: false, refused, standing: answer.value.standing };
      }
      answer.value.standings.forEach((standing, at) => {
        standings[indexes[at] ?? 0] = standing;
      });
      for (const at of answer.value.over) over.push(indexes[at] ?? 0);
    }
    return { granted: true, reservation: { id, charges }, standings, over };
  }

  settle({ id, charges }: Reservation, used: readonly number[]): void {
    for (const group of this.#groups(charges)) {
      this.#settleGroup(id, charges, group, (index) => used[index] ?? 0, true);
    }
  }

  async standing(counter: Counter, period: Period | undefined): Promise<Standing> {
    const key = this.#key(counter, period);
    try {
      if (counter.kind === 'places') {
        const now = this.options.clock.wallTime();
        const held = Object.values(await this.options.client.hgetall(key));
        return held.reduce((sum, entry) => {
          const [count, until] = entry.split('|').map(Number);
          return (until ?? 0) < now ? sum : sum + (count ?? 0);
        }, 0);
      }
      const stored = await this.options.client.get(key);
      if (counter.kind === 'period') {
        return stored === null ? this.options.knownUse(counter.key, period?.id ?? '') : Number(stored);
      }
      if (stored === null) return counter.capacity;
      const [level = 0, since = 0] = stored.split(' ').map(Number);
      const now = this.options.clock.wallTime();
      return Math.min(counter.capacity, level + Math.max(0, now - since) * counter.perMs);
    } catch (cause) {
      throw new StoreLostError('the store of limits did not answer', { cause });
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
    const byTag = new Map<string, typeof uses>();
    for (const use of uses) {
      const tag = this.#tag(use.counter);
      byTag.set(tag, [...(byTag.get(tag) ?? []), use]);
    }
    for (const [tag, some] of byTag) {
      const mark = `${this.options.prefix}:{${tag === '' ? '-' : tag}}:added:${id}`;
      await this.#add.run(
        [mark, ...some.map(({ counter, period }) => this.#key(counter, period))],
        [
          MARK_MS,
          ...some.flatMap(({ counter, period, amount }) => [
            amount,
            // What is known by now has this in it.
            Math.max(0, this.options.knownUse(counter.key, period.id) - amount),
            this.#keptMs(counter, period),
          ]),
        ],
      );
    }
  }

  /**
   * To be called every few seconds: says that this gateway lives, sends what waits, and settles for those that no longer do.
   * @returns how many gateways share the store
   * @throws when the store can't be reached now
   */
  async beat(): Promise<number> {
    const { client, replica } = this.options;
    const replicas = `${this.options.prefix}:replicas`;
    const now = this.options.clock.wallTime();
    await client.hset(replicas, replica, now);
    for (const tag of this.#tags) await client.sadd(this.#tagsKey(replica), tag);
    for (const [key, count] of this.#held) await this.#hold.run([key], [replica, LEASE_MS, count]);
    await this.#sendUnsettled();
    let alive = 0;
    for (const [other, seenAt] of Object.entries(await client.hgetall(replicas))) {
      if (now - Number(seenAt) < LEASE_MS) alive += 1;
      else await this.#settleFor(other, replicas);
    }
    return Math.max(1, alive);
  }

  async close(): Promise<void> {
    const { client, replica, prefix } = this.options;
    try {
      await this.#sendUnsettled();
      if (this.ready && this.#unsettled.size === 0) await client.hdel(`${prefix}:replicas`, replica);
    } catch {
      // The store is gone: another gateway settles for this one when its time is over.
    }
    client.disconnect();
  }

  /** Settles for a gateway that is gone: its places come back, what it took otherwise stays taken. */
  async #settleFor(replica: string, replicas: string): Promise<void> {
    const { client } = this.options;
    let lost = 0;
    const tags = await client.smembers(this.#tagsKey(replica));
    for (const tag of tags) {
      const journal = this.#journal(tag, replica);
      for (const [id, entry] of Object.entries(await client.hgetall(journal))) {
        const settlement: unknown = JSON.parse(entry);
        const keys = Array.isArray(settlement) ? settlement.map(String) : [];
        const parameters = keys.flatMap(() => ['h', -1, 0, 0, IDLE_MS]);
        await this.#settle.run([journal, ...keys], [id, replica, LEASE_MS, ...parameters]);
        lost += 1;
      }
    }
    await client.del(this.#tagsKey(replica));
    await client.hdel(replicas, replica);
    if (lost > 0) this.options.onLost(lost);
  }

  async #sendUnsettled(): Promise<void> {
    for (const [id, { keys, parameters }] of [...this.#unsettled]) {
      await this.#settle.run(keys, parameters);
      this.#unsettled.delete(id);
    }
  }

  async #reserveGroup(
    id: string,
    charges: readonly Charge[],
    { tag, indexes }: Group,
  ): Promise<
    | { readonly granted: true; readonly standings: readonly number[]; readonly over: readonly number[] }
    | { readonly granted: false; readonly refused: number; readonly standing: number }
  > {
    const keys: string[] = [this.#journal(tag, this.options.replica)];
    const parameters: (string | number)[] = [];
    const places: string[] = [];
    for (const index of indexes) {
      const charge = charges[index];
      if (!charge) continue;
      const { counter, amount, period } = charge;
      const { limit } = counter;
      const key = this.#key(counter, period);
      keys.push(key);
      if (counter.kind === 'places') places.push(key);
      const known = counter.kind === 'period' ? this.options.knownUse(counter.key, period?.id ?? '') : 0;
      parameters.push(
        kindOf(counter),
        limit.mode.charAt(0),
        amount,
        counter.kind === 'rate' ? counter.capacity : limit.max,
        counter.kind === 'rate' ? counter.perMs : 0,
        known,
        this.#keptMs(counter, period),
      );
    }
    this.#tags.add(tag);
    const entry = places.length === 0 ? '[]' : JSON.stringify(places);
    const reply = await this.#reserve.run(keys, [id, this.options.replica, LEASE_MS, entry, ...parameters]);
    const [granted, first = '', second = ''] = Array.isArray(reply) ? reply.map(String) : [];
    if (granted === '0') return { granted: false, refused: Number(first), standing: Number(second) };
    if (granted !== '1') throw new Error('the store of limits gave an answer that is none');
    const standings = first === '' ? [] : first.split(' ').map(Number);
    for (const key of places) this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    indexes.forEach((index, at) => {
      const { counter, period } = charges[index] ?? {};
      if (counter?.kind === 'period' && period)
        this.options.onUse(counter.key, period.id, standings[at] ?? 0);
    });
    return { granted: true, standings, over: second === '' ? [] : second.split(' ').map(Number) };
  }

  /** @param held whether places were counted here */
  #settleGroup(
    id: string,
    charges: readonly Charge[],
    { tag, indexes }: Group,
    usedOf: (index: number) => number,
    held: boolean,
  ): void {
    const keys: string[] = [this.#journal(tag, this.options.replica)];
    const parameters: (string | number)[] = [id, this.options.replica, LEASE_MS];
    for (const index of indexes) {
      const charge = charges[index];
      if (!charge) continue;
      const { counter, amount, period } = charge;
      const key = this.#key(counter, period);
      keys.push(key);
      const difference = usedOf(index) - amount;
      parameters.push(
        kindOf(counter),
        difference,
        counter.kind === 'rate' ? counter.capacity : 0,
        counter.kind === 'rate' ? counter.perMs : 0,
        this.#keptMs(counter, period),
      );
      if (counter.kind === 'places' && held) {
        const left = (this.#held.get(key) ?? 0) + difference;
        if (left > 0) this.#held.set(key, left);
        else this.#held.delete(key);
      }
    }
    const name = `${id} ${tag}`;
    const settlement = { keys, parameters };
    if (!this.ready) {
      this.#keep(name, settlement);
      return;
    }
    this.#sending += 1;
    this.#settle
      .run(keys, parameters)
      .catch(() => this.#keep(name, settlement))
      .finally(() => {
        this.#sending -= 1;
      });
  }

  #keep(name: string, settlement: Settlement): void {
    this.#unsettled.set(name, settlement);
    if (this.#unsettled.size <= MAX_UNSETTLED) return;
    const [oldest] = this.#unsettled.keys();
    if (oldest !== undefined) this.#unsettled.delete(oldest);
  }

  #groups(charges: readonly Charge[]): Group[] {
    if (!this.options.cluster) return [{ tag: '', indexes: charges.map((_, index) => index) }];
    const groups = new Map<string, number[]>();
    charges.forEach(({ counter }, index) => {
      const tag = this.#tag(counter);
      const indexes = groups.get(tag);
      if (indexes) indexes.push(index);
      else groups.set(tag, [index]);
    });
    return [...groups].map(([tag, indexes]) => ({ tag, indexes }));
  }

  /** What keys that lie together have in common: the tenant, where there is one. */
  #tag({ subject }: Counter): string {
    if (!this.options.cluster) return '';
    const { scope, id } = subject;
    return scope === 'ip' || scope === 'model' || scope === 'target' ? '' : id.slice(0, id.indexOf('/'));
  }

  #key(counter: Counter, period: Period | undefined): string {
    const tag = this.#tag(counter);
    const time = period ? `:${period.id}` : '';
    return `${this.options.prefix}:{${tag === '' ? '-' : tag}}:${counter.key}${time}`;
  }

  #journal(tag: string, replica: string): string {
    return `${this.options.prefix}:{${tag === '' ? '-' : tag}}:open:${replica}`;
  }

  #tagsKey(replica: string): string {
    return `${this.options.prefix}:tags:${replica}`;
  }

  #keptMs(counter: Counter, period: Period | undefined): number {
    if (counter.kind === 'rate') return Math.ceil((2 * counter.capacity) / counter.perMs) + IDLE_MS;
    if (counter.kind === 'places') return LEASE_MS * 4;
    return Math.max(0, (period?.endsAt ?? 0) - this.options.clock.wallTime()) + KEPT_AFTER_PERIOD_MS;
  }
}

function kindOf({ kind }: Counter): string {
  return kind === 'rate' ? 'r' : kind === 'period' ? 'p' : 'h';
}
