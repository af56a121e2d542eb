import type { InferenceCall } from '../../core/inference.ts';
import { drainStream } from '../../core/stream/drain.ts';
import type { ModelRoute } from '../../routing/directory.ts';
import { type CallScope, defineInterceptor, type Interceptor, type Next } from '../interceptor.ts';
import type { InterceptorServices } from '../interceptor-services.ts';
import type { MirrorSide } from '../mirror-observer.ts';
import type { Outcome, RequestContext } from '../request-context.ts';

/** Copies that run at the same time; they must not crowd out requests that people wait for. */
const MAX_COPIES = 100;

/** Sends copies of requests to another model, and compares the two. */
export const interceptor = defineInterceptor({
  name: 'mirror',
  create: (_, services): Interceptor | undefined =>
    services.routes.some(({ experiments }) => experiments?.mirror)
      ? new MirrorInterceptor(services)
      : undefined,
});

class MirrorInterceptor implements Interceptor {
  readonly name = 'mirror';
  readonly stream = 'bytes';
  #running = 0;
  /** Requests for which it was decided whether they are copied. */
  readonly #seen = new WeakSet<RequestContext>();

  constructor(private readonly services: InterceptorServices) {}

  applies(_: InferenceCall, { request }: CallScope): boolean {
    // A captured line is copied when its response is there.
    if (request.forwarding?.kind === 'capture') return false;
    return request.routing.route?.experiments?.mirror !== undefined;
  }

  handle(call: InferenceCall, scope: CallScope, next: Next) {
    const { request } = scope;
    const { route, modelScope } = request.routing;
    // An outer interceptor may repeat the call: its request is copied once.
    if (route && !this.#seen.has(request)) {
      this.#seen.add(request);
      const other = this.services.router.mirrorOf(route, modelScope);
      if (other) this.#start(call, scope, other, next);
    }
    return next(call, scope);
  }

  /** Takes no time of the request that it copies, and none of its failures reach it. */
  #start(call: InferenceCall, scope: CallScope, other: ModelRoute, next: Next): void {
    const { mirrorObserver } = this.services;
    const { request } = scope;
    const model = request.routing.modelLabel ?? '';
    if (this.#running >= MAX_COPIES) {
      mirrorObserver.mirrorSkipped(model, other.label);
      return;
    }
    this.#running += 1;
    const sides: { primary?: MirrorSide; copy?: MirrorSide } = {};
    const compare = () => {
      const { primary, copy } = sides;
      if (primary && copy) mirrorObserver.mirrored(model, other.label, primary, copy);
    };
    request.routing.needsCost = true;
    request.onEnd((outcome) => {
      sides.primary = this.#side(request, outcome);
      compare();
    });
    const detached = scope.detach(scope.deadlineAt, 'mirror');
    const copy = detached.request;
    copy.controls = { ...request.controls, model: call.model, priority: 'low', strict: false, tags: [] };
    copy.routing.route = other;
    copy.routing.needsCost = true;
    copy.onEnd((outcome) => {
      this.#running -= 1;
      sides.copy = this.#side(copy, outcome);
      compare();
    });
    next(withoutListeners(call), detached).then(
      ({ body }) => (body.kind === 'stream' ? drainStream(body.stream) : undefined),
      // The copy's own request records the failure.
      () => undefined,
    );
  }

  #side({ timing, usage }: RequestContext, outcome: Outcome): MirrorSide {
    const { startedAt, committedAt } = timing;
    return {
      outcome: outcome.kind,
      durationMs: this.services.clock.now() - startedAt,
      firstMs: committedAt === undefined ? undefined : committedAt - startedAt,
      outputTokens: usage.usage?.outputTokens,
      finishReason: usage.finishReason,
      cost: usage.cost,
    };
  }
}

/** Responses of a copy are not kept for the client. */
function withoutListeners(call: InferenceCall): InferenceCall {
  if (call.operation !== 'chat' && call.operation !== 'completion') return call;
  const { onResponse: _, ...rest } = call;
  return rest;
}
