import { variantOf } from '../cache/cache-key.ts';
import type { CoalescingSettings } from '../cache/cache-settings.ts';
import type { StorableCall } from '../cache/cacheable.ts';
import type { RelayedCall } from '../cache/stream-relay.ts';
import type { InferenceResponse } from '../dispatch/inference-response.ts';
import type { CacheServices, CacheUse } from './cache-services.ts';
import type { BranchScope, CallScope, Next } from './interceptor.ts';
import type { InterceptorServices } from './interceptor-services.ts';
import { RelayAbandonedError, type RelayedFlight, RelayTable } from './relay-table.ts';
import { RelayWriter } from './relay-writer.ts';
import type { RequestContext } from './request-context.ts';
import { settleAs } from './settle-call.ts';
import { SharedCall } from './shared-call.ts';

/** A call joins another one only if that one has this much time left, or as much as it has itself. Milliseconds. */
const MIN_LEFT_MS = 60_000;
/** How often a request looks for another gateway's call before it makes one of its own. */
const MAX_TURNS = 3;
const NOTHING_SAVED = { costPico: 0, ms: 0 };

/** A request that may share its call. */
export interface JoiningRequest {
  readonly call: StorableCall;
  readonly scope: CallScope;
  readonly next: Next;
  readonly key: string;
  /** Streams are passed between gateways. */
  readonly isRelayed: boolean;
}

interface CallSettings extends Pick<CoalescingSettings, 'bufferBytes'> {
  readonly name: string;
  /** The claim of this gateway, where others may read the response. */
  readonly relayed: RelayedCall | undefined;
}

/** A call that this gateway makes. */
interface OwnFlight {
  readonly shared: SharedCall;
  readonly request: RequestContext;
  readonly payers: RequestContext[];
}

type Flight = OwnFlight | RelayedFlight;

/** Records a response of the request that made the call. */
export type RecordResponse = (scope: CallScope, response: InferenceResponse) => InferenceResponse;

/** The upstream calls that requests can join now. Requests share one where their keys and the form of their responses agree. */
export class FlightTable {
  readonly #flights = new Map<string, Flight>();
  readonly #relays: RelayTable | undefined;

  constructor(
    private readonly services: InterceptorServices,
    private readonly cache: CacheServices,
  ) {
    const { relay, deadlines } = cache;
    this.#relays = relay && new RelayTable(relay, services.clock, deadlines);
  }

  /**
   * Joins the call of a request that is the same, here or at another gateway, or makes one.
   * @param prepare called with the request that makes a call, before it does
   */
  async join(
    joining: JoiningRequest,
    settings: CoalescingSettings,
    prepare: (request: RequestContext) => void,
    record: RecordResponse,
  ): Promise<InferenceResponse> {
    const { scope, call, isRelayed } = joining;
    const name = flightName(joining);
    const make = (relayed?: RelayedCall) =>
      this.#make(joining, { ...settings, name, relayed }, prepare, record);
    const relays = isRelayed && call.stream ? this.#relays : undefined;
    for (let turn = 0; turn < MAX_TURNS; turn += 1) {
      const known = this.#flights.get(name);
      if (known) {
        if (!this.#covers(known.shared, scope)) break;
        const response = await this.#follow(known, scope);
        if (response) return response;
      }
      if (!relays) break;
      const claim = await relays.claim(name, scope.request.identity.principal.tenant);
      // Another request of this gateway has begun the call meanwhile, or joined one.
      if (this.#flights.has(name)) {
        relays.drop(claim);
        continue;
      }
      if (!claim || claim.isMine) return make(claim && relays.take(claim));
      const flight = relays.read(claim.call, {
        bufferBytes: settings.bufferBytes,
        onClosed: () => this.#remove(name, flight),
      });
      this.#flights.set(name, flight);
    }
    return make();
  }

  async #make(
    joining: JoiningRequest,
    { name, bufferBytes, relayed }: CallSettings,
    prepare: (request: RequestContext) => void,
    record: RecordResponse,
  ): Promise<InferenceResponse> {
    const { scope } = joining;
    const { request } = scope;
    const owner = scope.detach(scope.deadlineAt, '');
    const shared: SharedCall = new SharedCall({
      ...{ owner, bufferBytes, deadlines: this.cache.deadlines },
      onClosed: () => this.#remove(name, flight),
    });
    const flight: OwnFlight = { shared, request: owner.request, payers: [request] };
    this.#flights.set(name, flight);
    owner.request.trace = request.trace;
    this.#hand(request, owner.request);
    settleAs(owner.request, flight.payers, joining.call, this.services);
    prepare(owner.request);
    if (relayed) this.#relay(relayed, flight, joining.key, bufferBytes);
    request.cache = { status: 'miss', call: owner.request };
    const response = shared.join(scope);
    void this.#run(joining, owner, shared, record);
    return response;
  }

  /** Passes the response of a call to other gateways. Those that come later find it stored. */
  #relay(call: RelayedCall, { shared, request }: OwnFlight, key: string, bufferBytes: number): void {
    const { relay, responses } = this.cache;
    if (!relay) return;
    const warnings = () => request.routing.warnings;
    shared.add(new RelayWriter({ relay, call, bufferBytes, shared, warnings, clock: this.services.clock }));
    request.afterEnd(() => void Promise.resolve(responses.written?.(key)).then(() => relay.release(call)));
  }

  #remove(name: string, flight: Flight): void {
    if (this.#flights.get(name) === flight) this.#flights.delete(name);
  }

  #covers(shared: SharedCall, { deadlineAt }: CallScope): boolean {
    const needed = Math.min(deadlineAt, this.services.clock.now() + MIN_LEFT_MS);
    return shared.isOpen && shared.deadlineAt >= needed;
  }

  /** @returns undefined where the gateway that was to make the call does not */
  #follow(flight: Flight, scope: CallScope): Promise<InferenceResponse | undefined> {
    return 'relayed' in flight ? this.#followRelayed(flight, scope) : this.#followOwn(flight, scope);
  }

  async #followRelayed(
    { shared, relayed }: RelayedFlight,
    scope: CallScope,
  ): Promise<InferenceResponse | undefined> {
    const { request } = scope;
    let response: InferenceResponse;
    try {
      response = await shared.join(scope);
    } catch (thrown) {
      if (thrown instanceof RelayAbandonedError) return undefined;
      throw thrown;
    }
    const { provider = '', upstreamModel = '', warnings } = relayed.head ?? {};
    request.routing.warnings = warnings ?? [];
    // The other gateway's tenant pays, which is the same one.
    const served = { provider, model: upstreamModel, costPico: 0, saved: NOTHING_SAVED };
    request.cache = { status: 'hit', kind: 'coalesced', ageSeconds: 0, served };
    this.cache.observer.hit(useOf(request), { nanoUsd: 0, ms: 0 });
    return response;
  }

  async #followOwn(
    { shared, request: made, payers }: OwnFlight,
    scope: CallScope,
  ): Promise<InferenceResponse> {
    const { request } = scope;
    const { principal } = request.identity;
    const pays = principal.cache?.sharedCalls === 'split';
    if (pays) {
      payers.push(request);
      request.limits.isSettledElsewhere = true;
    }
    const use = useOf(request);
    const response = await shared.join(scope);
    const { source } = response;
    request.routing.warnings = made.routing.warnings;
    request.cache = {
      ...{ status: 'hit', kind: 'coalesced', ageSeconds: 0, call: made },
      ...(source.kind === 'target' && !pays
        ? {
            served: {
              provider: source.target.provider.id,
              model: source.target.model,
              costPico: 0,
              // Read when this request is settled: the shared call's own cost is known then.
              get saved() {
                return { costPico: costOf(made), ms: 0 };
              },
            },
          }
        : {}),
    };
    this.cache.observer.hit(use, { nanoUsd: 0, ms: 0 });
    if (!pays) {
      request.afterEnd(() =>
        this.cache.observer.saved(use, { nanoUsd: Math.round(costOf(made) / 1_000), ms: 0 }),
      );
    }
    return response;
  }

  /** The request that makes the call takes over what the first one has reserved, and how its stream is decoded. */
  #hand({ routing, limits }: RequestContext, made: RequestContext): void {
    made.routing.requireStreamMode(routing.streamMode);
    made.routing.needsCost = routing.needsCost;
    made.routing.onSlowStart = () => routing.onSlowStart?.();
    made.limits.reserveMore = limits.reserveMore;
    limits.isSettledElsewhere = true;
  }

  async #run(
    { call, next, scope }: JoiningRequest,
    owner: BranchScope,
    shared: SharedCall,
    record: RecordResponse,
  ): Promise<void> {
    const { request: made } = owner;
    try {
      const response = record(owner, await next(call, owner));
      scope.request.routing.warnings = made.routing.warnings;
      // Its cost is known then, and a request that comes next finds it stored.
      if (response.body.kind === 'complete') await new Promise<void>((done) => made.afterEnd(() => done()));
      for (const header of made.response.headers) scope.request.response.headers.push(header);
      shared.respond(response);
    } catch (error) {
      shared.fail(error);
    }
  }
}

function useOf({ identity, routing }: RequestContext): CacheUse {
  return {
    kind: 'coalesced',
    tenant: identity.principal.tenant,
    model: routing.modelLabel ?? 'unknown',
  };
}

/** @returns what the attempts of a request cost, in 10^-12 US dollars, as far as it is known */
function costOf({ routing }: RequestContext): number {
  return routing.attempts.reduce((sum, { costPico }) => sum + (costPico ?? 0), 0);
}

/** Requests with the same name receive the same frames. The model's name comes last: it may hold anything. */
function flightName({ call, key, scope }: JoiningRequest): string {
  const { streamMode } = scope.request.routing;
  if (call.operation === 'rerank') return `${key} ${streamMode} ${call.model}`;
  const variant = variantOf(call);
  const form = `${call.stream} ${call.includesStreamUsage} ${call.dialect.name} ${variant.length} ${variant}`;
  return `${key} ${streamMode} ${form} ${call.model}`;
}
