import { type CacheControls, cacheControls } from '../../cache/cache-controls.ts';
import {
  ageSeconds,
  type CachedVector,
  type CacheEntry,
  ENTRY_FORMAT,
  usability,
} from '../../cache/cache-entry.ts';
import { embeddingKeys } from '../../cache/cache-key.ts';
import type { EmbeddingSettings } from '../../cache/cache-settings.ts';
import { SKIPPED } from '../../cache/cache-store.ts';
import { readVectors, sharesOfTokens } from '../../cache/embedding-vectors.ts';
import { hasExactNumbers } from '../../cache/exact-numbers.ts';
import { CompleteResult } from '../../core/complete-result.ts';
import { GatewayError } from '../../core/errors.ts';
import type { EmbeddingCall, InferenceCall } from '../../core/inference.ts';
import { listOf } from '../../core/json.ts';
import { costPico as priceOf } from '../../metering/price.ts';
import { CacheScopes, ownerOf } from '../cache-scope.ts';
import type { CacheServices, CacheUse } from '../cache-services.ts';
import type { ServedResponse } from '../cache-trace.ts';
import {
  type CallScope,
  defineInterceptor,
  type InferenceResponse,
  type Interceptor,
  type Next,
  type ResponseSource,
} from '../interceptor.ts';
import type { InterceptorServices } from '../interceptor-services.ts';
import type { RequestContext } from '../request-context.ts';

/** Serves stored vectors of inputs that were embedded before, and asks a provider for the others only. */
export const interceptor = defineInterceptor({
  name: 'cache_embeddings',
  create: (_, services): Interceptor | undefined =>
    services.cache ? new EmbeddingCacheInterceptor(services, services.cache) : undefined,
});

type Entry = CacheEntry<CachedVector>;

/** A request for embeddings, with what the cache has of it. */
interface Lookup {
  readonly call: EmbeddingCall;
  readonly scope: CallScope;
  readonly next: Next;
  readonly settings: EmbeddingSettings;
  readonly controls: CacheControls;
  readonly keys: readonly string[];
}

class EmbeddingCacheInterceptor implements Interceptor {
  readonly name = 'cache_embeddings';
  readonly stream = 'bytes';
  readonly #scopes: CacheScopes;

  constructor(
    private readonly services: InterceptorServices,
    private readonly cache: CacheServices,
  ) {
    this.#scopes = new CacheScopes(services.router);
  }

  applies(call: InferenceCall, { request }: CallScope): boolean {
    // Of a forwarded line, other inputs could be known when its response is there.
    return call.operation === 'embedding' && request.forwarding === undefined;
  }

  async handle(call: InferenceCall, scope: CallScope, next: Next): Promise<InferenceResponse> {
    const { request } = scope;
    const { route } = request.routing;
    const controls = cacheControls(call.headers, request.identity.principal.cache);
    const settings = route && this.cache.settingsOf(route.id).embeddings;
    if (
      call.operation !== 'embedding' ||
      !route ||
      !settings ||
      controls.mode === 'bypass' ||
      !hasExactNumbers(call.text)
    ) {
      if (controls.mode === 'only') throw notCached();
      return next(call, scope);
    }
    const keys = embeddingKeys(call, this.#scopes.of(request, route, call.headers, controls));
    return this.#lookUp({ call, scope, next, settings, controls, keys });
  }

  async #lookUp(lookup: Lookup): Promise<InferenceResponse> {
    const { keys, controls, scope, call } = lookup;
    const found = await this.#read(lookup);
    const known = found.filter((entry) => entry !== undefined);
    const use = this.#use(scope.request);
    for (let at = known.length; at < keys.length; at += 1) this.cache.observer.miss(use);
    const saved = this.#savedBy(known, scope.request);
    for (const [index] of known.entries()) {
      const saving = { nanoUsd: Math.round(saved.costPico / 1_000), ms: saved.ms };
      this.cache.observer.hit(use, index === 0 ? saving : NO_SAVING);
    }
    if (known.length === keys.length) return this.#serve(known, saved, lookup);
    if (controls.mode === 'only') throw notCached();
    if (known.length === 0) return this.#fetchAll(lookup);
    const missing = call.embedding.inputs.flatMap((_, index) => (found[index] === undefined ? [index] : []));
    const { source, vectors: fetched } = await this.#fetch(missing, lookup);
    // The model makes vectors of another length now: what is stored belongs to the model before.
    const dimensions = known[0]?.value.vector.length;
    if (fetched.some(({ vector }) => vector.length !== dimensions)) {
      for (const { key, owner } of known) this.cache.vectors.delete(key, owner.tenant);
      const { routing } = scope.request;
      // The same target is asked once more, which a plan does not do.
      routing.plan = undefined;
      routing.respondedBy = undefined;
      return this.#fetchAll(lookup);
    }
    scope.request.cache = { status: 'miss', inputs: { cached: known.length, all: keys.length }, saved };
    let next = 0;
    const vectors = found.map((entry) => {
      if (entry) return entry.value;
      next += 1;
      return fetched[next - 1] ?? NO_VECTOR;
    });
    return this.#response(vectors, lookup, source);
  }

  /** @returns the usable entries at the places of their inputs */
  async #read({ keys, controls, scope }: Lookup): Promise<readonly (Entry | undefined)[]> {
    if (controls.mode === 'refresh') return keys.map(() => undefined);
    const { tenant } = scope.request.identity.principal;
    const now = this.services.clock.wallTime();
    const found = this.cache.vectors.getMany(keys, tenant);
    const entries = found instanceof Promise ? await found : found;
    if (entries === SKIPPED) {
      this.cache.observer.skipped(this.#use(scope.request));
      return keys.map(() => undefined);
    }
    const usable = keys.map((key, index) => {
      const entry = entries[index];
      if (!entry || usability(entry, key, tenant, now) !== 'fresh') return undefined;
      const tooOld = controls.maxAgeMs !== undefined && now - entry.storedAt > controls.maxAgeMs;
      return tooOld ? undefined : entry;
    });
    const dimensions = usable.find((entry) => entry !== undefined)?.value.vector.length;
    // Entries of two models do not go into one response.
    return usable.some((entry) => entry && entry.value.vector.length !== dimensions)
      ? keys.map(() => undefined)
      : usable;
  }

  /** @returns what known inputs would have cost at the model's first target, and how long they took */
  #savedBy(known: readonly Entry[], { routing, identity, controls }: RequestContext): Saved {
    const [target] = routing.route?.targets ?? [];
    if (known.length === 0 || !routing.route || !target) return NOTHING_SAVED;
    const inputTokens = known.reduce((sum, { value }) => sum + value.tokens, 0);
    const pricing = { tenant: identity.principal.tenant, isBatch: controls.isBatch };
    const cost = this.services.router.costOf(target, routing.route, { inputTokens, raw: {} }, pricing);
    const ms = known.reduce((sum, { value }) => sum + (value.ms ?? 0), 0);
    return { costPico: Math.round(Number(cost ?? 0) * 1e12), ms: Math.round(ms) };
  }

  #serve(entries: readonly Entry[], saved: Saved, lookup: Lookup): InferenceResponse {
    const { scope, keys, settings } = lookup;
    const usage = { inputTokens: entries.reduce((sum, { value }) => sum + value.tokens, 0), raw: {} };
    const costPico = (settings.price && priceOf(settings.price, usage)) ?? 0;
    const now = this.services.clock.wallTime();
    scope.request.cache = {
      ...{ status: 'hit', kind: 'exact' },
      ageSeconds: Math.max(0, ...entries.map((entry) => ageSeconds(entry, now))),
      inputs: { cached: keys.length, all: keys.length },
      served: { provider: CACHE, model: lookup.call.model, costPico, saved },
    };
    return this.#response(
      entries.map(({ value }) => value),
      lookup,
      { kind: 'cache', name: CACHE },
    );
  }

  #response(values: readonly CachedVector[], { call }: Lookup, source: ResponseSource): InferenceResponse {
    const inputTokens = values.reduce((sum, { tokens }) => sum + tokens, 0);
    const usage = { inputTokens, raw: {} };
    const text = call.render({ vectors: values.map(({ vector }) => vector), usage });
    return {
      source,
      body: { kind: 'complete', result: new CompleteResult(text, usage, undefined) },
    };
  }

  async #fetchAll(lookup: Lookup): Promise<InferenceResponse> {
    const { call, scope, next, keys } = lookup;
    scope.request.cache = { status: 'miss', inputs: { cached: 0, all: keys.length } };
    const startedAt = this.services.clock.now();
    const response = await next(call, scope);
    this.#store(call.embedding.inputs, vectorsOf(response, call, this.#since(startedAt)), lookup);
    return response;
  }

  /** @returns the vectors of some of the inputs, which are stored */
  async #fetch(
    places: readonly number[],
    lookup: Lookup,
  ): Promise<{ readonly source: ResponseSource; readonly vectors: readonly CachedVector[] }> {
    const { call, scope, next } = lookup;
    const all = call.embedding.inputs;
    const inputs = all.filter((_, index) => places.includes(index));
    // As the client wrote them, which may be another form.
    const written = listOf(call.body.input);
    const input = written.length === all.length ? places.map((index) => written[index]) : inputs;
    const body = { ...call.body, input };
    const part: EmbeddingCall = {
      ...call,
      ...{ body, text: JSON.stringify(body) },
      embedding: { ...call.embedding, inputs },
    };
    const startedAt = this.services.clock.now();
    const response = await next(part, scope);
    const vectors = vectorsOf(response, part, this.#since(startedAt));
    if (vectors.length !== inputs.length) {
      const message = 'The provider responded with another number of vectors than inputs.';
      throw new GatewayError('upstream_invalid_response', message);
    }
    this.#store(inputs, vectors, lookup);
    return { source: response.source, vectors };
  }

  #store(
    inputs: EmbeddingCall['embedding']['inputs'],
    vectors: readonly CachedVector[],
    { call, keys, scope, settings, controls }: Lookup,
  ): void {
    if (vectors.length !== inputs.length) return;
    const { request } = scope;
    const owner = ownerOf(request, controls);
    const storedAt = this.services.clock.wallTime();
    const until = storedAt + Math.min(controls.ttlMs ?? settings.ttlMs, settings.maxTtlMs);
    const keyOf = new Map(call.embedding.inputs.map((input, index) => [input, keys[index]]));
    for (const [index, value] of vectors.entries()) {
      const key = keyOf.get(inputs[index] ?? '');
      if (key === undefined) continue;
      const entry = {
        format: ENTRY_FORMAT,
        key,
        owner,
        storedAt,
        freshUntil: until,
        usableUntil: until,
        value,
      };
      this.cache.vectors.set(entry);
    }
  }

  #since(startedAt: number): number {
    return this.services.clock.now() - startedAt;
  }

  #use({ identity, routing }: RequestContext): CacheUse {
    return {
      kind: 'embedding',
      tenant: identity.principal.tenant,
      model: routing.modelLabel ?? 'unknown',
    };
  }
}

const CACHE = 'cache';
const NOTHING_SAVED = { costPico: 0, ms: 0 };
const NO_SAVING = { nanoUsd: 0, ms: 0 };

type Saved = ServedResponse['saved'];

const NO_VECTOR: CachedVector = { vector: [], tokens: 0 };

/**
 * @param durationMs how long the call took
 * @returns the vectors of a response, each with its share of the input tokens and of the time; none where it cannot be read
 */
function vectorsOf(
  { body }: InferenceResponse,
  { embedding }: EmbeddingCall,
  durationMs: number,
): readonly CachedVector[] {
  if (body.kind !== 'complete') return [];
  const vectors = readVectors(body.result.text);
  const tokens = sharesOfTokens(embedding.inputs, body.result.usage?.inputTokens ?? 0);
  const ms = durationMs / Math.max(1, vectors.length);
  return vectors.map((vector, index) => ({ vector, tokens: tokens[index] ?? 0, ms }));
}

function notCached(): GatewayError {
  const message =
    'The cache does not have all of these inputs, and "x-weir-cache: only" permits nothing else. Send the request without the header.';
  return new GatewayError('cache_miss', message);
}
