import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { parseJsonText } from '../core/json.ts';
import { RecentMap } from '../core/recent-map.ts';
import { fieldsOf, type RedisClient } from '../platform/redis-client.ts';
import { RedisScript } from '../storage/kv/redis-script.ts';
import type { CacheEntry, EntryOwner } from './cache-entry.ts';
import { type CacheFilter, type CacheStore, SKIPPED, type Skipped, selects } from './cache-store.ts';
import type { EntryCodec } from './entry-codec.ts';
import type { RedisLookups } from './redis-lookups.ts';

/** Characters of one value: larger entries are stored in several, so that no command takes long. */
const CHUNK = 256 * 1024;
/** Index buckets of a tenant: each is one hash slot of a cluster. */
const BUCKETS = '0123456789abcdef';
/** Entries that are written at the same time; further ones are not stored. */
const MAX_WRITES = 64;
/** The parts of a large entry outlive its head by this much. Milliseconds. */
const PART_MS = 1_000;
const MAX_CHUNKS = 4_096;
/** A tenant is added to the list of tenants once in this time. Milliseconds. */
const ANNOUNCE_MS = 60_000;
/** Tenants whose last time is kept. */
const MAX_ANNOUNCED = 10_000;
/** Keys of one command. */
const BATCH = 500;

export interface RedisCacheOptions<Value> {
  readonly client: RedisClient;
  /** A replica, from which entries are read while it is connected. It may lag behind `client`. */
  readonly replica?: RedisClient | undefined;
  readonly clock: Clock;
  /** Of all keys. */
  readonly prefix: string;
  /** What is stored: `exact` or `embedding`. */
  readonly kind: string;
  readonly codec: EntryCodec<Value>;
  /** Of the same server. */
  readonly lookups: RedisLookups;
  /** The most entries of one tenant. */
  readonly maxEntries: () => number;
}

/**
 * Keeps entries in Redis or Valkey, shared by all gateways. A lookup is one round trip. Each tenant's entries are in sixteen
 * buckets, with an index each, so that they can be cleared without a scan of the keys.
 */
export class RedisCacheStore<Value> implements CacheStore<Value> {
  readonly #options: RedisCacheOptions<Value>;
  readonly #index: RedisScript;
  #writes = 0;
  /** When a tenant was added to the list of tenants, in monotonic milliseconds. */
  readonly #announced = new RecentMap<string, number>(MAX_ANNOUNCED);
  /** By key. */
  readonly #writing = new Map<string, Promise<void>>();

  constructor(options: RedisCacheOptions<Value>) {
    this.#options = options;
    this.#index = new RedisScript(options.client, 'cache-index');
  }

  /** Entries that are being written. */
  get pendingWrites(): number {
    return this.#writes;
  }

  get(key: string, tenant: string): Promise<CacheEntry<Value> | Skipped | undefined> {
    return this.#options.lookups.lookUp(() => this.#read(key, tenant));
  }

  getMany(
    keys: readonly string[],
    tenant: string,
  ): Promise<readonly (CacheEntry<Value> | undefined)[] | Skipped> {
    // Sent together, and so one round trip.
    return this.#options.lookups.lookUp(() => Promise.all(keys.map((key) => this.#read(key, tenant))));
  }

  set(entry: CacheEntry<Value>): void {
    const { client, lookups } = this.#options;
    if (!lookups.canAsk()) return;
    if (!client.ready || this.#writes >= MAX_WRITES) {
      lookups.skipped(client.ready ? 'overloaded' : 'unavailable');
      return;
    }
    this.#writes += 1;
    const { key } = entry;
    const writing = this.#write(entry)
      .catch(() => lookups.skipped('unavailable'))
      .finally(() => {
        this.#writes -= 1;
        if (this.#writing.get(key) === writing) this.#writing.delete(key);
      });
    this.#writing.set(key, writing);
  }

  delete(key: string, tenant: string): void {
    const { client, lookups } = this.#options;
    if (!client.ready) return;
    client.call('DEL', [this.#nameOf(key, tenant)]).catch(() => lookups.skipped('unavailable'));
  }

  async lease(key: string, tenant: string, ms: number): Promise<boolean | Skipped> {
    const { client, lookups } = this.#options;
    if (!client.ready) return SKIPPED;
    const name = `${this.#nameOf(key, tenant)}:lease`;
    const reply = await lookups.lookUp(() => client.call('SET', [name, '1', 'NX', 'PX', String(ms)]));
    return reply === SKIPPED ? SKIPPED : reply !== null;
  }

  release(key: string, tenant: string): void {
    const { client, lookups } = this.#options;
    const name = `${this.#nameOf(key, tenant)}:lease`;
    this.written(key)
      .then(() => client.call('DEL', [name]))
      .catch(() => lookups.skipped('unavailable'));
  }

  async written(key: string): Promise<void> {
    // The entry is set when the request ends, which may be in the same turn.
    await new Promise((resolve) => setImmediate(resolve));
    await this.#writing.get(key);
  }

  async clear(filter: CacheFilter, dryRun: boolean): Promise<number> {
    const { client } = this.#options;
    try {
      const tenants =
        filter.tenant === undefined ? texts(await client.call('SMEMBERS', [this.#tenants])) : [filter.tenant];
      let count = 0;
      for (const tenant of tenants) {
        for (const bucket of BUCKETS) count += await this.#clearBucket(tenant, bucket, filter, dryRun);
      }
      return count;
    } catch (cause) {
      throw new GatewayError(
        'store_unavailable',
        'The cache in Redis is unreachable. Retry in a few seconds.',
        {
          cause,
        },
      );
    }
  }

  contents(): undefined {
    return undefined;
  }

  async #clearBucket(tenant: string, bucket: string, filter: CacheFilter, dryRun: boolean): Promise<number> {
    const { client } = this.#options;
    const [index, owners] = this.#indexOf(tenant, bucket);
    const selected: string[] = [];
    for (const [key, text] of fieldsOf(await client.call('HGETALL', [owners]))) {
      const [storedAt, owner] = ownerOf(text, tenant);
      if (selects(filter, owner, storedAt)) selected.push(key);
    }
    let count = 0;
    for (let at = 0; at < selected.length; at += BATCH) {
      const keys = selected.slice(at, at + BATCH);
      const names = keys.map((key) => this.#nameOf(key, tenant));
      count += Number(await client.call(dryRun ? 'EXISTS' : 'DEL', names));
      if (dryRun) continue;
      await client.call('ZREM', [index, ...keys]);
      await client.call('HDEL', [owners, ...keys]);
    }
    return count;
  }

  async #read(key: string, tenant: string): Promise<CacheEntry<Value> | undefined> {
    const { codec, replica } = this.#options;
    const client = replica?.ready ? replica : this.#options.client;
    const name = this.#nameOf(key, tenant);
    const head = await client.call('GET', [name]);
    if (typeof head !== 'string') return undefined;
    const dot = head.indexOf('.');
    const chunks = Number(head.slice(0, dot));
    if (!Number.isInteger(chunks) || chunks < 1 || chunks > MAX_CHUNKS) return undefined;
    const parts = [head.slice(dot + 1)];
    if (chunks > 1) {
      const names = Array.from({ length: chunks - 1 }, (_, index) => `${name}.${index + 1}`);
      const rest = await client.call('MGET', names);
      for (const part of Array.isArray(rest) ? rest : []) parts.push(typeof part === 'string' ? part : '');
    }
    return codec.decode(parts.join(''));
  }

  async #write(entry: CacheEntry<Value>): Promise<void> {
    const { client, codec, clock, maxEntries } = this.#options;
    const { key, owner, storedAt, usableUntil } = entry;
    const { tenant, model, namespace, tags } = owner;
    const now = clock.wallTime();
    const kept = Math.ceil(usableUntil - now);
    if (kept <= 0) return;
    const text = await codec.encode(entry);
    const chunks = Math.ceil(text.length / CHUNK);
    if (chunks > MAX_CHUNKS) return;
    const name = this.#nameOf(key, tenant);
    // Larger entries wait for their parts, so that one of them does not fill the connection. The head comes last: a reader that
    // finds it finds the rest.
    for (let index = chunks - 1; index > 0; index -= 1) {
      const part = text.slice(index * CHUNK, (index + 1) * CHUNK);
      await client.call('SET', [`${name}.${index}`, part, 'PX', String(kept + PART_MS)]);
    }
    const bucket = key.slice(0, 1);
    const most = Math.max(1, Math.ceil(maxEntries() / BUCKETS.length));
    const described = JSON.stringify([storedAt, model, namespace, tags]);
    // Sent together, and so one round trip.
    const [reply] = await Promise.all([
      this.#index.run(this.#indexOf(tenant, bucket), [key, usableUntil, described, now, most, kept]),
      client.call('SET', [name, `${chunks}.${text.slice(0, CHUNK)}`, 'PX', String(kept)]),
      this.#announce(tenant),
    ]);
    const removed = texts(reply);
    if (removed.length > 0)
      await client.call(
        'DEL',
        removed.map((one) => this.#nameOf(one, tenant)),
      );
  }

  /** Adds a tenant to those that `clear` visits, again only after a while: the list may have been lost. */
  async #announce(tenant: string): Promise<void> {
    const { client, clock } = this.#options;
    const now = clock.now();
    if (now - (this.#announced.get(tenant) ?? Number.NEGATIVE_INFINITY) < ANNOUNCE_MS) return;
    this.#announced.set(tenant, now);
    try {
      await client.call('SADD', [this.#tenants, tenant]);
    } catch (error) {
      this.#announced.set(tenant, Number.NEGATIVE_INFINITY);
      throw error;
    }
  }

  /** Names with the same text in braces are in one hash slot of a cluster. */
  #nameOf(key: string, tenant: string): string {
    return `${this.#bucketName(tenant, key.slice(0, 1))}:${key}`;
  }

  #indexOf(tenant: string, bucket: string): [index: string, owners: string] {
    const name = this.#bucketName(tenant, bucket);
    return [`${name}:index`, `${name}:owners`];
  }

  #bucketName(tenant: string, bucket: string): string {
    const { prefix, kind } = this.#options;
    return `${prefix}:cache:{${kind}:${tenant}:${bucket}}`;
  }

  get #tenants(): string {
    const { prefix, kind } = this.#options;
    return `${prefix}:cache:${kind}:tenants`;
  }
}

function ownerOf(text: string, tenant: string): [storedAt: number, owner: EntryOwner] {
  const value = parseJsonText(text);
  const [storedAt, model, namespace, tags]: unknown[] = Array.isArray(value) ? value : [];
  return [
    Number(storedAt ?? 0),
    { tenant, model: String(model ?? ''), namespace: String(namespace ?? ''), tags: texts(tags) },
  ];
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
