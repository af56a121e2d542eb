import { type CacheControls, cacheControls } from '../../cache/cache-controls.ts';
import { ageSeconds, type CachedResponse, type CacheEntry, usability } from '../../cache/cache-entry.ts';
import { exactKey, type KeyScope } from '../../cache/cache-key.ts';
import type { ExactSettings } from '../../cache/cache-settings.ts';
import { SKIPPED } from '../../cache/cache-store.ts';
import { isSampled, isStorable, isUnambiguous, type StorableCall } from '../../cache/cacheable.ts';
import { RecentKeys } from '../../cache/recent-keys.ts';
import { asGatewayError, GatewayError } from '../../core/errors.ts';
import { drainStream } from '../../core/stream/drain.ts';
import { costPico } from '../../metering/price.ts';
import type { ModelRoute } from '../../routing/directory.ts';
import { prepareRecording, type RecordingServices, recordResponse } from '../cache-recording.ts';
import { CacheScopes } from '../cache-scope.ts';
import type { CacheServices, CacheUse, SemanticServices } from '../cache-services.ts';
import { replay } from '../cached-response.ts';
import { CallLeases } from '../call-leases.ts';
import { FlightTable } from '../flight-table.ts';
import {
  type CallScope,
  defineInterceptor,
  type InferenceCall,
  type InferenceResponse,
  type Interceptor,
  type Next,
} from '../interceptor.ts';
import type { InterceptorServices } from '../interceptor-services.ts';
import type { RequestContext } from '../request-context.ts';
import type { SemanticLookup, SemanticResult } from '../semantic-lookup.ts';
import { settleAs } from '../settle-call.ts';

/** Milliseconds that a refresh in the background may take. */
const REFRESH_MS = 600_000;

/** Serves the stored response to a request that is the same, and lets concurrent ones share a call. */
export const interceptor = defineInterceptor({
  name: 'cache',
  create: (_, services): Interceptor | undefined =>
    services.cache ? new CacheInterceptor(services, services.cache) : undefined,
});

/** A request that the cache serves, with what was found out about it. */
interface Lookup {
  readonly call: StorableCall;
  readonly scope: CallScope;
  readonly next: Next;
  readonly route: ModelRoute;
  readonly settings: ExactSettings;
  readonly controls: CacheControls;
  readonly key: string;
  /** Of a key that was computed: it is remembered with a hit. */
  readonly keyToKeep: KeyScope | undefined;
  readonly keyScope: KeyScope;
  /** What the semantic cache found, after the exact one had nothing. */
  readonly semantic?: SemanticResult | undefined;
  /** The store did not respond: it is asked for nothing else. */
  readonly isSkipped?: boolean | undefined;
}

type Entry = CacheEntry<CachedResponse>;

const MISS = { status: 'miss' } as const;

class CacheInterceptor implements Interceptor {
  readonly name = 'cache';
  readonly stream = 'bytes';
  readonly #scopes: CacheScopes;
  readonly #keys = new RecentKeys();
  readonly #flights: FlightTable;
  readonly #recording: RecordingServices;
  readonly #leases: CallLeases;
  /** Loaded with the first lookup. */
  #semantic: Promise<SemanticLookup> | undefined;
  /** Keys that are refreshed in the background. */
  readonly #refreshing = new Set<string>();

  constructor(
    private readonly services: InterceptorServices,
    private readonly cache: CacheServices,
  ) {
    this.#scopes = new CacheScopes(services.router);
    this.#flights = new FlightTable(services, cache);
    const { responses, readers } = cache;
    this.#leases = new CallLeases(responses, services.clock);
    const isDecodable = (dialect: string) => readers.has(dialect);
    this.#recording = { clock: services.clock, responses, isDecodable };
  }

  applies(call: InferenceCall): boolean {
    return isStorable(call);
  }

  handle(call: InferenceCall, scope: CallScope, next: Next): Promise<InferenceResponse> {
    const { request } = scope;
    const { route } = request.routing;
    const controls = cacheControls(call.headers, request.identity.principal.cache);
    const settings = route && this.cache.settingsOf(route.id).exact;
    const isReplayed = request.forwarding?.kind === 'replay';
    if (!route || !settings || !isStorable(call) || controls.mode === 'bypass' || isReplayed) {
      return this.#bypass(call, scope, next, controls);
    }
    if (!settings.sampled && isSampled(call)) return this.#bypass(call, scope, next, controls);
    const keyScope = this.#scopes.of(request, route, call.headers, controls);
    const known = this.#keys.find(call, keyScope);
    if (known === undefined && !isUnambiguous(call)) return this.#bypass(call, scope, next, controls);
    const key = known ?? exactKey(call, keyScope);
    const keyToKeep = known === undefined ? keyScope : undefined;
    return this.#lookUp({ call, scope, next, route, settings, controls, key, keyScope, keyToKeep });
  }

  async #bypass(call: InferenceCall, scope: CallScope, next: Next, { mode }: CacheControls) {
    if (mode === 'only') throw notCached();
    return next(call, scope);
  }

  async #lookUp(lookup: Lookup): Promise<InferenceResponse> {
    const { scope, controls, key } = lookup;
    const { request } = scope;
    const { tenant } = request.identity.principal;
    if (controls.mode === 'refresh') return this.#fetch(lookup, undefined);
    const found = this.cache.responses.get(key, tenant);
    const read = found instanceof Promise ? await found : found;
    // A captured line is counted when it has its result, and only what costs nothing is asked for it.
    const isCaptured = request.forwarding?.kind === 'capture';
    if (read === SKIPPED && !isCaptured) this.cache.observer.skipped(this.#use(request));
    const entry = read === SKIPPED ? undefined : read;
    const use = entry && this.#useOf(entry, lookup);
    if (entry && use) {
      const response = await this.#serve(entry, use, lookup);
      if (response) return response;
    }
    const { semantic: services } = this.cache;
    const lookups = services && !isCaptured ? await this.#lookups(services) : undefined;
    const semantic = await lookups?.find(lookup);
    const similar = semantic?.isServed ? await this.#serveSimilar(semantic, lookup) : undefined;
    if (similar) return similar;
    if (controls.mode === 'only') {
      if (!isCaptured) this.cache.observer.miss(this.#use(request));
      throw notCached();
    }
    const spare = entry && usability(entry, key, tenant, this.services.clock.wallTime()) ? entry : undefined;
    return this.#fetch({ ...lookup, semantic, isSkipped: read === SKIPPED }, spare);
  }

  #lookups(semantic: SemanticServices): Promise<SemanticLookup> {
    this.#semantic ??= import('../semantic-lookup.ts').then(
      ({ SemanticLookup: Lookups }) => new Lookups(this.services, this.cache, semantic, this.#scopes),
    );
    return this.#semantic;
  }

  /** Serves the response to a question that asks for the same. */
  async #serveSimilar(found: SemanticResult, lookup: Lookup): Promise<InferenceResponse | undefined> {
    const { match } = found;
    const response = match && (await this.#serve(match.entry, 'hit', lookup, 'semantic'));
    const lookups = await this.#semantic;
    if (response && lookups?.isVerified(lookup)) {
      this.#fetchInBackground({ ...lookup, semantic: found }, 'verify');
    }
    return response;
  }

  /** @returns how an entry is served; undefined for one that has to be fetched again */
  #useOf(entry: Entry, { controls, settings, key, scope }: Lookup): 'hit' | 'stale' | undefined {
    const { tenant } = scope.request.identity.principal;
    const now = this.services.clock.wallTime();
    const state = usability(entry, key, tenant, now);
    if (state === undefined) {
      // Poisoned, of another version, or over: nothing will serve it.
      this.cache.responses.delete(key, tenant);
      return undefined;
    }
    if (controls.maxAgeMs !== undefined && now - entry.storedAt > controls.maxAgeMs) return undefined;
    if (state === 'fresh') return 'hit';
    const overdue = now - entry.freshUntil;
    const allowed = Math.max(settings.staleWhileRevalidateMs, controls.maxStaleMs);
    return overdue < allowed ? 'stale' : undefined;
  }

  async #serve(
    entry: Entry,
    status: 'hit' | 'stale',
    lookup: Lookup,
    kind: 'exact' | 'semantic' = 'exact',
  ): Promise<InferenceResponse | undefined> {
    const { call, scope, settings, route } = lookup;
    const { request } = scope;
    const { value } = entry;
    const target = this.#scopes.targetOf(route, value.provider, value.upstreamModel);
    const use = this.#use(request, kind);
    let response: InferenceResponse | undefined;
    try {
      const isPaced = settings.replay === 'paced';
      const replayed = target && replay({ entry, call, request, target, isPaced }, this.#replayServices);
      response = replayed instanceof Promise ? await replayed : replayed;
    } catch {
      // Damaged, or in a form that this version reads no longer. It is made again.
      this.cache.observer.unreadable(use);
      this.cache.responses.delete(entry.key, entry.owner.tenant);
      return undefined;
    }
    if (!response) return undefined;
    const cost = settings.price && value.usage ? costPico(settings.price, value.usage) : 0;
    request.cache = {
      status,
      kind,
      ageSeconds: ageSeconds(entry, this.services.clock.wallTime()),
      served: {
        provider: value.provider,
        model: value.upstreamModel,
        costPico: cost ?? 0,
        saved: { costPico: (value.nanoUsd ?? 0) * 1_000, ms: value.durationMs },
      },
    };
    request.routing.warnings = value.warnings;
    if (request.forwarding?.kind === 'capture') return response;
    this.cache.observer.hit(use, { nanoUsd: value.nanoUsd ?? 0, ms: value.durationMs });
    if (lookup.keyToKeep) this.#keys.remember(call, lookup.keyToKeep, lookup.key);
    if (status === 'stale') this.#refresh(lookup);
    return response;
  }

  get #replayServices() {
    return { clock: this.services.clock, readers: this.cache.readers };
  }

  #use({ identity, routing }: RequestContext, kind: 'exact' | 'semantic' = 'exact'): CacheUse {
    return { kind, tenant: identity.principal.tenant, model: routing.modelLabel ?? 'unknown' };
  }

  /** @param spare a stale entry for the case that all targets fail */
  async #fetch(lookup: Lookup, spare: Entry | undefined): Promise<InferenceResponse> {
    const { call, scope, next, controls, route, key } = lookup;
    const { request } = scope;
    // Another request's response would not be the one that is forwarded.
    if (request.forwarding) return next(call, scope);
    const { coalescing } = this.cache.settingsOf(route.id);
    const record = (owner: CallScope, response: InferenceResponse) => this.#record(response, lookup, owner);
    const { tenant } = request.identity.principal;
    const sharesCall = coalescing !== undefined && controls.mode === 'use' && request.onSettled === undefined;
    const isShared = sharesCall && coalescing.isShared && !lookup.isSkipped;
    const isLeased = isShared && !call.stream;
    if (isLeased) {
      const made = await this.#leases.acquire(key, tenant, scope.deadlineAt);
      const response = made && (await this.#serve(made, 'hit', lookup));
      if (response) return response;
    }
    this.cache.observer.miss(this.#use(request));
    request.cache = MISS;
    const prepare = (owner: RequestContext) => {
      if (isLeased) owner.afterEnd(() => this.#leases.release(key, tenant));
      prepareRecording(call, owner, this.#recording);
    };
    try {
      if (sharesCall) {
        return await this.#flights.join({ ...lookup, isRelayed: isShared }, coalescing, prepare, record);
      }
      prepare(request);
      return record(scope, await next(call, scope));
    } catch (thrown) {
      const error = asGatewayError(thrown);
      const served = spare && isOutage(error) ? await this.#serveSpare(spare, lookup) : undefined;
      if (served) return served;
      throw error;
    }
  }

  async #serveSpare(entry: Entry, lookup: Lookup): Promise<InferenceResponse | undefined> {
    const { scope, settings } = lookup;
    const overdue = this.services.clock.wallTime() - entry.freshUntil;
    if (scope.request.abortReason || overdue >= settings.staleIfErrorMs) return undefined;
    return this.#serve(entry, 'stale', { ...lookup, settings: { ...settings, staleWhileRevalidateMs: 0 } });
  }

  /** Fetches a response again, in a request of its own that the tenant pays for. */
  #refresh(lookup: Lookup): void {
    if (lookup.settings.staleWhileRevalidateMs > 0) this.#fetchInBackground(lookup, 'refresh');
  }

  #fetchInBackground(lookup: Lookup, suffix: 'refresh' | 'verify'): void {
    const { scope, key, call, next } = lookup;
    if (this.#refreshing.has(key)) return;
    this.#refreshing.add(key);
    const detached = scope.detach(this.services.clock.now() + REFRESH_MS, suffix);
    const { request } = detached;
    request.controls = { ...scope.request.controls, model: call.model, priority: 'low' };
    request.cache = MISS;
    settleAs(request, undefined, call, this.services);
    prepareRecording(call, request, this.#recording);
    request.onEnd(() => this.#refreshing.delete(key));
    next(withoutListeners(call), detached).then(
      (response) => {
        const { body } = this.#record(response, lookup, detached);
        if (body.kind === 'stream') drainStream(body.stream);
      },
      // The refresh's own request records the failure; the next one tries again.
      () => undefined,
    );
  }

  #record(response: InferenceResponse, lookup: Lookup, { request }: CallScope): InferenceResponse {
    const { semantic } = this.cache;
    const onStored =
      semantic &&
      (async (entry: Entry) => {
        const lookups = await this.#lookups(semantic);
        await lookups.stored(lookup, lookup.semantic, entry);
      });
    return recordResponse(response, { ...lookup, request, onStored }, this.#recording);
  }
}

/** Failures after which a stale response is better than none. */
function isOutage({ status }: GatewayError): boolean {
  return status >= 500 || status === 429;
}

function notCached(): GatewayError {
  const message =
    'The cache has no response to this request, and "x-weir-cache: only" permits no other. Send it without the header.';
  return new GatewayError('cache_miss', message);
}

/** Responses of a refresh are not kept for the client. */
function withoutListeners(call: StorableCall): StorableCall {
  if (call.operation === 'rerank') return call;
  const { onResponse: _, ...rest } = call;
  return rest;
}
