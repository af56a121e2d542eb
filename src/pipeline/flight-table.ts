import { variantOf } from '../cache/cache-key.ts';
import type { CoalescingSettings } from '../cache/cache-settings.ts';
import type { StorableCall } from '../cache/cacheable.ts';
import type { InferenceResponse } from '../dispatch/inference-response.ts';
import type { CacheServices } from './cache-services.ts';
import type { BranchScope, CallScope, Next } from './interceptor.ts';
import type { InterceptorServices } from './interceptor-services.ts';
import type { RequestContext } from './request-context.ts';
import { settleAs } from './settle-call.ts';
import { SharedCall } from './shared-call.ts';

/** A call joins another one only if that one has this much time left, or as much as it has itself. Milliseconds. */
const MIN_LEFT_MS = 60_000;

/** A request that may share its call. */
export interface JoiningRequest {
  readonly call: StorableCall;
  readonly scope: CallScope;
  readonly next: Next;
  readonly key: string;
}

interface Flight {
  readonly shared: SharedCall;
  readonly request: RequestContext;
  readonly payers: RequestContext[];
}

/** Records a response of the request that made the call. */
export type RecordResponse = (scope: CallScope, response: InferenceResponse) => InferenceResponse;

/** The upstream calls that requests can join now. Requests share one where their keys and the form of their responses agree. */
export class FlightTable {
  readonly #flights = new Map<string, Flight>();

  constructor(
    private readonly services: InterceptorServices,
    private readonly cache: CacheServices,
  ) {}

  /**
   * Joins the call of a request that is the same, or makes one.
   * @param prepare called with the request that makes a call, before it does
   */
  async join(
    joining: JoiningRequest,
    { bufferBytes }: CoalescingSettings,
    prepare: (request: RequestContext) => void,
    record: RecordResponse,
  ): Promise<InferenceResponse> {
    const { scope } = joining;
    const { request } = scope;
    const name = flightName(joining);
    const known = this.#flights.get(name);
    if (known && this.#covers(known.shared, scope)) return this.#follow(known, scope);
    const owner = scope.detach(scope.deadlineAt, '');
    const shared = new SharedCall({
      ...{ owner, bufferBytes, deadlines: this.cache.deadlines },
      onClosed: () => {
        if (this.#flights.get(name)?.shared === shared) this.#flights.delete(name);
      },
    });
    const flight: Flight = { shared, request: owner.request, payers: [request] };
    this.#flights.set(name, flight);
    owner.request.trace = request.trace;
    this.#hand(request, owner.request);
    settleAs(owner.request, flight.payers, joining.call, this.services);
    prepare(owner.request);
    request.cache = { status: 'miss', call: owner.request };
    const response = shared.join(scope);
    void this.#run(joining, owner, shared, record);
    return response;
  }

  #covers(shared: SharedCall, { deadlineAt }: CallScope): boolean {
    const needed = Math.min(deadlineAt, this.services.clock.now() + MIN_LEFT_MS);
    return shared.isOpen && shared.deadlineAt >= needed;
  }

  async #follow({ shared, request: made, payers }: Flight, scope: CallScope): Promise<InferenceResponse> {
    const { request } = scope;
    const { principal } = request.identity;
    const pays = principal.cache?.sharedCalls === 'split';
    if (pays) {
      payers.push(request);
      request.limits.isSettledElsewhere = true;
    }
    const use = {
      ...{ kind: 'coalesced' as const, tenant: principal.tenant },
      model: request.routing.modelLabel ?? 'unknown',
    };
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
