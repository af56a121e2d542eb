import { GatewayError, stoppedByGateway } from '../../core/errors.ts';
import type { InferenceCall } from '../../core/inference.ts';
import type { SubjectLimits } from '../../core/limit.ts';
import type { StreamObservation } from '../../core/stream/observation.ts';
import type { AttemptTrace } from '../../dispatch/attempt-trace.ts';
import { describeFailure } from '../../dispatch/dispatch-errors.ts';
import type { InferenceResponse } from '../../dispatch/inference-response.ts';
import type { LineCapture, LineReplay, LocalReason } from '../../providers/line-forwarding.ts';
import type { AttemptContext, Target } from '../../providers/types.ts';
import type { ModelRoute } from '../../routing/directory.ts';
import { RequestFacts } from '../../routing/request-facts.ts';
import { type CallScope, defineInterceptor, type Interceptor, type Next } from '../interceptor.ts';
import type { InterceptorServices } from '../interceptor-services.ts';
import type { RequestContext } from '../request-context.ts';

/**
 * Takes the place of dispatch for lines of batches that go to a provider's batch API: hands over what would be sent, and later
 * responds with the provider's result. The innermost interceptor, so that all others see the line as any other request.
 */
export const interceptor = defineInterceptor({
  name: 'forwarding',
  create: (_, services): Interceptor | undefined =>
    services.runsBatches ? new ForwardingInterceptor(services) : undefined,
});

class ForwardingInterceptor implements Interceptor {
  readonly name = 'forwarding';
  readonly stream = 'bytes';

  constructor(private readonly services: InterceptorServices) {}

  applies(_: InferenceCall, { request }: CallScope): boolean {
    return request.forwarding !== undefined;
  }

  async handle(call: InferenceCall, scope: CallScope, next: Next): Promise<InferenceResponse> {
    const { forwarding } = scope.request;
    if (forwarding?.kind === 'capture') return this.#capture(call, scope, forwarding);
    // A repair or an escalation asks again: that is a call of its own.
    if (!forwarding || forwarding.isUsed) return next(call, scope);
    forwarding.isUsed = true;
    return this.#replay(call, scope.request, forwarding);
  }

  #capture(call: InferenceCall, { request, deadlineAt }: CallScope, capture: LineCapture): never {
    const local = (reason: LocalReason): never => {
      capture.captured = undefined;
      capture.reason = reason;
      throw stoppedByGateway('The line of a batch runs at the gateway.');
    };
    // Asked twice, for example by an interceptor that repeats failed calls.
    if (capture.captured) return local('request_not_supported');
    const { router, clock } = this.services;
    const { identity, controls, routing } = request;
    const { route, modelScope, preference } = routing;
    if (!route) return local('target_unavailable');
    // They count the lines of all keys: only the gateway stops exactly at them.
    const ofTags = controls.tags.flatMap((tag) => identity.principal.tagLimits?.get(tag) ?? []);
    if (hasQuota(route.limits) || hasQuota(ofTags)) return local('limits');
    const { tenant, weight, residency } = identity.principal;
    const constraints = residency
      ? { ...controls.constraints, residency: residency.allowed }
      : controls.constraints;
    const facts = new RequestFacts(call, tenant, constraints, weight, modelScope, preference);
    const now = clock.now();
    const step = router.plan(route, facts, now).next(now, deadlineAt);
    const candidate = step.kind === 'try' ? step.candidate : step.kind === 'queue' ? step.busy[0] : undefined;
    if (!candidate || candidate.target.limits) return local('target_unavailable');
    const { target } = candidate;
    const { adapter, batches } = target.provider;
    if (!batches) return local('provider_does_not_forward');
    const media = adapter.mediaToInline?.(call, target) ?? [];
    const size = call.operation === 'embedding' ? adapter.maxEmbeddingInputs?.(target) : undefined;
    const isSplit =
      call.operation === 'embedding' && size !== undefined && call.embedding.inputs.length > size;
    if (call.stream || media.length > 0 || isSplit) return local('request_not_supported');
    let warnings = 0;
    const context = this.#context(request, () => {
      warnings += 1;
    });
    const upstream = adapter.buildRequest(call, target, context);
    if (warnings > 0 && (controls.strict || route.strict)) return local('request_not_supported');
    const endpoint = batches.endpointOf(upstream);
    if (endpoint === undefined) return local('request_not_supported');
    const { id: provider, account } = target.provider;
    capture.captured = { provider, account, model: target.model, endpoint, request: upstream };
    throw stoppedByGateway('The line of a batch is forwarded.');
  }

  #context({ identity }: RequestContext, warn: AttemptContext['warn']): AttemptContext {
    const createdSeconds = Math.floor(this.services.clock.wallTime() / 1000);
    return { requestId: identity.id, createdSeconds, warn, media: new Map() };
  }

  #replay(call: InferenceCall, request: RequestContext, { response }: LineReplay): InferenceResponse {
    const { routing, identity } = request;
    const found = routing.route && this.#targetOf(routing.route, response);
    if (!found) {
      throw new GatewayError(
        'model_unavailable',
        `The configuration has no target "${response.model}" of provider "${response.provider}" any more, which ran this line.`,
      );
    }
    const { target, route } = found;
    const now = this.services.clock.now();
    const trace: AttemptTrace = {
      ...{ provider: response.provider, model: response.model, account: response.account, target },
      ...{ facts: route.facts, startedAt: now, firstEventAt: undefined, endedAt: now, failure: undefined },
      eventId: `${identity.id}-result`,
    };
    const attempt = new ReplayedAttempt(trace);
    routing.attemptStarted(attempt);
    try {
      const upstream = { status: response.status, headers: { get: () => null }, body: response.body };
      const { adapter } = target.provider;
      if (response.status >= 300) throw adapter.mapError(upstream, target);
      const context = this.#context(request, () => undefined);
      const result = adapter.parseResponse(upstream, call, target, context);
      const { usage, finishReason } = result;
      Object.assign(trace, {
        firstEventAt: now,
        usage: usage && { ...usage, raw: {} },
        finishReason,
        outcome: 'done',
      });
      attempt.observed = { usage, finishReason, chunks: 1 };
      routing.respondedBy = trace;
      return { source: { kind: 'target', target }, body: { kind: 'complete', result } };
    } catch (thrown) {
      trace.outcome = 'failed';
      if (thrown instanceof GatewayError) trace.failure = describeFailure(thrown, trace);
      throw thrown;
    } finally {
      routing.attemptEnded(attempt);
    }
  }

  #targetOf(
    asked: ModelRoute,
    { provider, account, model }: LineReplay['response'],
  ): { readonly target: Target; readonly route: ModelRoute } | undefined {
    for (const route of this.services.router.possibleRoutes(asked)) {
      for (const target of route.targets) {
        if (target.model !== model || target.provider.id !== provider) continue;
        if (target.provider.account === account) return { target, route };
      }
    }
    return undefined;
  }
}

/** Whether some of the limits count what is used in a day or a month. */
function hasQuota(subjects: readonly SubjectLimits[] = []): boolean {
  return subjects.some(({ limits }) =>
    limits.some(({ per, mode }) => mode === 'enforce' && (per === 'day' || per === 'month')),
  );
}

/** An attempt that ended at the provider before it began here. */
class ReplayedAttempt {
  observed: StreamObservation = { usage: undefined, finishReason: undefined, chunks: 0 };
  readonly stream = undefined;

  constructor(readonly trace: AttemptTrace) {}

  cancel(): void {
    // It has ended.
  }
}
