import { isRecord, listOf, parseJsonText } from '../../../core/json.ts';
import { sha256Hex } from '../../../platform/hash.ts';
import type { RedisClient } from '../../../platform/redis-client.ts';
import { type CacheFilter, selects } from '../../cache-store.ts';
import type { VectorMatch, VectorQuery, VectorRecord, VectorStore } from '../vector-store.ts';

export interface RedisVectorOptions {
  readonly client: Pick<RedisClient, 'call' | 'ready'>;
  /** Of all keys. */
  readonly prefix: string;
  readonly close: () => void;
}

/** The longest time that a set without additions is kept. Seconds. */
const MAX_TTL_S = 30 * 86_400;

/**
 * Keeps vectors in Redis 8 or later: one vector set for each partition, and its attributes. The keys of a tenant have one
 * hash slot.
 *
 * @see https://redis.io/docs/latest/develop/data-types/vector-sets
 */
export class RedisVectorStore implements VectorStore {
  constructor(private readonly options: RedisVectorOptions) {}

  async search(query: VectorQuery): Promise<readonly VectorMatch[]> {
    const { tenant, partition, vector, limit, threshold, now } = query;
    const key = this.#keyOf(tenant, partition, vector.length);
    const reply = await this.#call('VSIM', [
      ...[key, ...valuesOf(vector), 'WITHSCORES', 'COUNT', String(limit)],
      ...['FILTER', `.expires > ${now}`],
    ]);
    const scored = pairsOf(reply).flatMap(([id, score]) => {
      // Scores are from 0 for opposite to 1 for the same direction.
      const similarity = 2 * Number(score) - 1;
      return similarity >= threshold ? [{ id, similarity }] : [];
    });
    const matches = await Promise.all(
      scored.map(async ({ id, similarity }) => {
        const { payload } = await this.#attributes(key, id);
        return typeof payload === 'string' ? [{ id, similarity, payload }] : [];
      }),
    );
    return matches.flat().sort((a, b) => b.similarity - a.similarity);
  }

  async add({ id, partition, owner, storedAt, expiresAt, vector, payload }: VectorRecord): Promise<void> {
    const { tenant, namespace, model, tags } = owner;
    const key = this.#keyOf(tenant, partition, vector.length);
    const attributes = { namespace, model, tags, stored: storedAt, expires: expiresAt, payload };
    await this.#call('VADD', [
      key,
      ...valuesOf(vector),
      id,
      'NOQUANT',
      'SETATTR',
      JSON.stringify(attributes),
    ]);
    await this.#call('EXPIRE', [key, String(MAX_TTL_S)]);
    await this.#call('SADD', [this.#index(tenant), key]);
    await this.#call('EXPIRE', [this.#index(tenant), String(MAX_TTL_S)]);
    await this.#call('SADD', [this.#tenants, tenant]);
  }

  async remove(id: string, tenant: string): Promise<void> {
    for (const key of await this.#members(this.#index(tenant))) await this.#call('VREM', [key, id]);
  }

  async clear(filter: CacheFilter, dryRun: boolean): Promise<number> {
    const tenants = filter.tenant === undefined ? await this.#members(this.#tenants) : [filter.tenant];
    let count = 0;
    for (const tenant of tenants) {
      for (const key of await this.#members(this.#index(tenant))) {
        count += await this.#clearKey(key, tenant, filter, dryRun);
      }
    }
    return count;
  }

  contents(): undefined {
    return undefined;
  }

  close(): void {
    this.options.close();
  }

  async #clearKey(key: string, tenant: string, filter: CacheFilter, dryRun: boolean): Promise<number> {
    const size = Number(await this.#call('VCARD', [key]));
    const ids = size > 0 ? texts(await this.#call('VRANDMEMBER', [key, String(size)])) : [];
    let count = 0;
    for (const id of ids) {
      const { namespace, model, tags, stored } = await this.#attributes(key, id);
      const owner = {
        tenant,
        namespace: String(namespace),
        model: String(model),
        tags: listOf(tags).map(String),
      };
      if (!selects(filter, owner, Number(stored))) continue;
      count += 1;
      if (!dryRun) await this.#call('VREM', [key, id]);
    }
    if (!dryRun && count === ids.length) await this.#call('SREM', [this.#index(tenant), key]);
    return count;
  }

  async #attributes(key: string, id: string): Promise<Readonly<Record<string, unknown>>> {
    const text = await this.#call('VGETATTR', [key, id]);
    const value = typeof text === 'string' ? parseJsonText(text) : undefined;
    return isRecord(value) ? value : {};
  }

  async #members(key: string): Promise<readonly string[]> {
    return texts(await this.#call('SMEMBERS', [key]));
  }

  #call(command: string, args: readonly string[]): Promise<unknown> {
    const { client } = this.options;
    return client.ready ? client.call(command, args) : Promise.reject(new Error('Redis is not connected'));
  }

  get #tenants(): string {
    return `${this.options.prefix}:semantic:tenants`;
  }

  #index(tenant: string): string {
    return `${this.options.prefix}:semantic:{${sha256Hex(tenant).slice(0, 16)}}:sets`;
  }

  /** Redis rejects vectors of another dimension in one set: each has its own. */
  #keyOf(tenant: string, partition: string, dimensions: number): string {
    return `${this.options.prefix}:semantic:{${sha256Hex(tenant).slice(0, 16)}}:${partition}:${dimensions}`;
  }
}

function valuesOf(vector: Float32Array): readonly string[] {
  return ['VALUES', String(vector.length), ...Array.from(vector, String)];
}

function texts(reply: unknown): readonly string[] {
  return Array.isArray(reply) ? reply.map(String) : [];
}

/** Elements with their scores, as RESP2 and RESP3 return them. */
function pairsOf(reply: unknown): readonly (readonly [string, unknown])[] {
  if (reply instanceof Map) return [...reply].map(([id, score]) => [String(id), score]);
  if (!Array.isArray(reply)) return Object.entries(Object(reply));
  if (Array.isArray(reply[0])) return reply.map(([id, score]) => [String(id), score]);
  return Array.from({ length: reply.length / 2 }, (_, at) => [String(reply[2 * at]), reply[2 * at + 1]]);
}
