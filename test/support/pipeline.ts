import type { Clock } from '../../src/core/clock.ts';
import type { InferenceCall } from '../../src/core/inference.ts';
import type { DeadlineMonitor } from '../../src/dispatch/deadlines.ts';
import { FailoverExecutor } from '../../src/dispatch/failover-executor.ts';
import type { DispatchLimits, DispatchServices } from '../../src/dispatch/options.ts';
import { NO_CONTROLS } from '../../src/dispatch/request.ts';
import { openAiErrorEvent } from '../../src/http/error-body.ts';
import { composeChain } from '../../src/pipeline/chain.ts';
import { type HandledResponse, InferenceHandler } from '../../src/pipeline/inference-handler.ts';
import type { Interceptor } from '../../src/pipeline/interceptor.ts';
import type { InterceptorServices } from '../../src/pipeline/interceptor-services.ts';
import { INTERCEPTORS } from '../../src/pipeline/order.ts';
import { type Outcome, RequestContext } from '../../src/pipeline/request-context.ts';
import { resolveModel } from '../../src/pipeline/resolve-model.ts';
import type { ModelDirectory, ModelRoute } from '../../src/routing/directory.ts';
import type { TargetStates } from '../../src/routing/health/target-states.ts';
import type { Router } from '../../src/routing/router.ts';
import { NO_ESTIMATES, NO_EXTRAS, PRINCIPAL, UNOBSERVED } from './inference.ts';

export interface TestPipelineOptions {
  readonly clock: Clock;
  readonly deadlines: DeadlineMonitor;
  readonly states: TargetStates;
  readonly directory: ModelDirectory;
  readonly router: Router;
  readonly limits: DispatchLimits;
  readonly observer?: DispatchServices['observer'];
  readonly records?: DispatchServices['records'];
  /** Go before those of the product. */
  readonly interceptors?: readonly Interceptor[];
  /** Configurations of the product's interceptors, by name. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly onDefect?: (error: unknown) => void;
}

/** The inference stage as the application composes it: handler, interceptors and dispatch, without HTTP. */
export function testPipeline(options: TestPipelineOptions) {
  const { clock, deadlines, router, directory, config = {} } = options;
  const executor = new FailoverExecutor({
    ...{ clock, deadlines, router, states: options.states, limits: options.limits },
    useEstimates: NO_ESTIMATES,
    observer: options.observer ?? UNOBSERVED,
    records: options.records,
    ...NO_EXTRAS,
  });
  const services: InterceptorServices = {
    ...{ clock, router, useEstimates: NO_ESTIMATES, mirrorObserver: UNOBSERVED },
    routes: directory.routes(),
  };
  const own = INTERCEPTORS.flatMap((definition) => {
    const made = definition.create(config[definition.name], services);
    return made ? [made] : [];
  });
  const chain = composeChain([...(options.interceptors ?? []), ...own], executor.dispatch);
  const handler = new InferenceHandler({
    clock,
    deadlines,
    onDefect: options.onDefect ?? (() => undefined),
  });
  return {
    handler,
    handle: (request: RequestContext, call: InferenceCall): Promise<HandledResponse> =>
      handler.handle(request, () => {
        request.controls = { ...NO_CONTROLS, model: call.model, stream: call.stream };
        request.routing.route = resolveModel(directory, call.model, () => true);
        return { call, chain, renderStreamError: openAiErrorEvent };
      }),
  };
}

/** A request as the HTTP stage admits it, and how it completes. */
export function testRequest(startedAt = 0, deadlineAt = Number.POSITIVE_INFINITY, id = 'req_1') {
  const outcomes: Outcome[] = [];
  const request = new RequestContext({
    ...{ id, principal: PRINCIPAL, operation: 'chat', route: '/r', startedAt, deadlineAt },
  });
  request.onEnd((outcome) => outcomes.push(outcome));
  return { request, outcomes };
}

/** A configured model without targets, for tests that only read its name. */
export function testPipelineRoute(id: string): ModelRoute {
  return {
    id,
    label: id,
    strategy: 'round-robin',
    targets: [],
    fallbacks: [],
    fallbacksOn: {},
    strict: false,
    facts: undefined,
    configured: true,
  };
}
