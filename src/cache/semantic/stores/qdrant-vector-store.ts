import { isRecord, listOf, parseJsonText } from '../../../core/json.ts';
import { sha256Hex } from '../../../platform/hash.ts';
import type { CacheFilter } from '../../cache-store.ts';
import type { VectorMatch, VectorQuery, VectorRecord, VectorStore } from '../vector-store.ts';

export interface QdrantOptions {
  /** Without a slash at the end. */
  readonly url: string;
  readonly apiKey: string | undefined;
  /** Collections are named after it and their number of dimensions. */
  readonly collection: string;
  /** Milliseconds for one call. */
  readonly timeoutMs: number;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

/** The time limit of one call. Milliseconds. */
export const MAX_QDRANT_MS = 5_000;

const KEYWORDS = ['tenant', 'partition', 'namespace', 'model', 'tags'];

/**
 * Keeps vectors in Qdrant, over HTTP. Each number of dimensions has a collection. Expired points are removed with later
 * additions.
 *
 * @see https://api.qdrant.tech/api-reference
 */
export class QdrantVectorStore implements VectorStore {
  readonly #collections = new Map<number, Promise<string>>();
  #added = 0;

  constructor(private readonly options: QdrantOptions) {}

  async search({
    tenant,
    partition,
    vector,
    limit,
    threshold,
    now,
  }: VectorQuery): Promise<readonly VectorMatch[]> {
    const name = await this.#collection(vector.length);
    const result = await this.#call('POST', `/collections/${name}/points/query`, {
      query: [...vector],
      filter: {
        must: [
          keyword('tenant', tenant),
          keyword('partition', partition),
          { key: 'expires_at', range: { gt: now } },
        ],
      },
      ...{ limit, score_threshold: threshold, with_payload: ['key', 'payload'] },
    });
    const points = isRecord(result) ? listOf(result.points) : [];
    return points.flatMap((point) => {
      if (!isRecord(point) || !isRecord(point.payload) || typeof point.score !== 'number') return [];
      const { key, payload } = point.payload;
      return typeof key === 'string' && typeof payload === 'string'
        ? [{ id: key, similarity: point.score, payload }]
        : [];
    });
  }

  async add({ id, partition, owner, storedAt, expiresAt, vector, payload }: VectorRecord): Promise<void> {
    const name = await this.#collection(vector.length);
    const { tenant, namespace, model, tags } = owner;
    const kept = { key: id, tenant, namespace, model, tags, partition, payload };
    await this.#call('PUT', `/collections/${name}/points?wait=true`, {
      points: [
        {
          id: pointId(id),
          vector: [...vector],
          payload: { ...kept, stored_at: storedAt, expires_at: expiresAt },
        },
      ],
    });
    this.#added += 1;
    if (this.#added % 100 !== 0) return;
    const expired = { must: [{ key: 'expires_at', range: { lte: storedAt } }] };
    await this.#call('POST', `/collections/${name}/points/delete?wait=true`, { filter: expired });
  }

  async remove(id: string, tenant: string): Promise<void> {
    const filter = { must: [keyword('tenant', tenant), keyword('key', id)] };
    for (const name of await this.#names()) {
      await this.#call('POST', `/collections/${name}/points/delete?wait=true`, { filter });
    }
  }

  async clear(
    { tenant, model, namespace, tag, storedBefore }: CacheFilter,
    dryRun: boolean,
  ): Promise<number> {
    const must = [
      ...(tenant === undefined ? [] : [keyword('tenant', tenant)]),
      ...(model === undefined ? [] : [keyword('model', model)]),
      ...(namespace === undefined ? [] : [keyword('namespace', namespace)]),
      ...(tag === undefined ? [] : [keyword('tags', tag)]),
      ...(storedBefore === undefined ? [] : [{ key: 'stored_at', range: { lt: storedBefore } }]),
    ];
    let count = 0;
    for (const name of await this.#names()) {
      const result = await this.#call('POST', `/collections/${name}/points/count`, {
        filter: { must },
        exact: true,
      });
      count += isRecord(result) && typeof result.count === 'number' ? result.count : 0;
      if (!dryRun)
        await this.#call('POST', `/collections/${name}/points/delete?wait=true`, { filter: { must } });
    }
    return count;
  }

  contents(): undefined {
    return undefined;
  }

  #collection(dimensions: number): Promise<string> {
    const known = this.#collections.get(dimensions);
    if (known) return known;
    const name = `${this.options.collection}_${dimensions}`;
    const making = this.#create(name, dimensions);
    this.#collections.set(dimensions, making);
    // A failure is not remembered: the next call tries again.
    making.catch(() => this.#collections.delete(dimensions));
    return making;
  }

  async #create(name: string, dimensions: number): Promise<string> {
    if ((await this.#names()).includes(name)) return name;
    try {
      await this.#call('PUT', `/collections/${name}`, { vectors: { size: dimensions, distance: 'Cosine' } });
    } catch (error) {
      // Another gateway has created it.
      if (!(await this.#names()).includes(name)) throw error;
      return name;
    }
    for (const field of KEYWORDS) {
      await this.#call('PUT', `/collections/${name}/index?wait=true`, {
        field_name: field,
        field_schema: 'keyword',
      });
    }
    return name;
  }

  async #names(): Promise<readonly string[]> {
    const result = await this.#call('GET', '/collections', undefined);
    const prefix = `${this.options.collection}_`;
    return (isRecord(result) ? listOf(result.collections) : []).flatMap((one) =>
      isRecord(one) && typeof one.name === 'string' && one.name.startsWith(prefix) ? [one.name] : [],
    );
  }

  async #call(method: string, path: string, body: unknown): Promise<unknown> {
    const { url, apiKey, timeoutMs, fetch } = this.options;
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...(apiKey === undefined ? {} : { 'api-key': apiKey }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`Qdrant responded with status ${response.status}: ${text.slice(0, 200)}`);
    const json = parseJsonText(text);
    return isRecord(json) ? json.result : undefined;
  }
}

function keyword(key: string, value: string) {
  return { key, match: { value } };
}

/** Points have UUIDs. */
function pointId(id: string): string {
  const hex = sha256Hex(id);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}
