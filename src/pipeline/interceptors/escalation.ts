import { CompleteResult } from '../../core/complete-result.ts';
import { editCall } from '../../core/edit-call.ts';
import type { ChatCall } from '../../core/inference.ts';
import { isRecord, parseJsonText } from '../../core/json.ts';
import type { EscalationReason, EscalationSettings } from '../../routing/directory.ts';
import type { Router } from '../../routing/router.ts';
import {
  type CallScope,
  defineInterceptor,
  type InferenceCall,
  type InferenceResponse,
  type Interceptor,
  type Next,
} from '../interceptor.ts';
import { responseFault } from './response-fault.ts';

/** Asks a stronger model when the response of the first one is not good enough. */
export const interceptor = defineInterceptor({
  name: 'escalation',
  create: (_, { routes, router }): Interceptor | undefined =>
    routes.some((route) => route.escalation) ? new EscalationInterceptor(router) : undefined,
});

class EscalationInterceptor implements Interceptor {
  readonly name = 'escalation';
  readonly stream = 'bytes';

  constructor(private readonly router: Router) {}

  /** A streamed response reaches the client before it is complete: it cannot be checked. */
  applies(call: InferenceCall, { request }: CallScope): boolean {
    return isChat(call) && !call.stream && request.routing.route?.escalation !== undefined;
  }

  async handle(call: InferenceCall, scope: CallScope, next: Next): Promise<InferenceResponse> {
    const { routing, limits } = scope.request;
    const settings = routing.route?.escalation;
    if (!settings || !isChat(call)) return next(call, scope);
    const withLogprobs = settings.when.includes('low_confidence')
      ? editCall(call, { type: 'request-logprobs' })
      : undefined;
    const response = await next(withLogprobs ?? call, scope);
    const reason = judge(response, call, settings);
    const stronger = reason && this.router.resolveAllowed(settings.model, routing.modelScope, 'escalation');
    const own = () => (withLogprobs ? withoutLogprobs(response, call) : response);
    if (!stronger) return own();
    const reserving = limits.reserveMore?.(call, this.router.possibleRoutes(stronger));
    if (reserving !== undefined && !(await reserving)) return own();
    const { respondedBy, warnings } = routing;
    if (respondedBy) respondedBy.rejected = reason;
    routing.respondedBy = undefined;
    routing.plan?.switchRoute(stronger, 'escalation');
    try {
      return await next(call, scope);
    } catch (error) {
      if (scope.signal.aborted) throw error;
      // The first response is better than none.
      routing.respondedBy = respondedBy;
      routing.warnings = warnings;
      return own();
    }
  }
}

function isChat(call: InferenceCall): call is ChatCall {
  return call.operation === 'chat' || call.operation === 'completion';
}

/** @returns why the stronger model has to be asked; undefined where the response will do */
function judge(
  { body }: InferenceResponse,
  call: ChatCall,
  settings: EscalationSettings,
): EscalationReason | undefined {
  if (body.kind !== 'complete') return undefined;
  const json = parseJsonText(body.result.text);
  const view = isRecord(json) ? call.dialect.responseView?.(json) : undefined;
  return view && responseFault(view, call.chat().responseFormat, settings);
}

/** The response as a client expects it that did not ask for log probabilities. */
function withoutLogprobs(response: InferenceResponse, { dialect }: ChatCall): InferenceResponse {
  const { body } = response;
  const json = body.kind === 'complete' ? parseJsonText(body.result.text) : undefined;
  if (body.kind !== 'complete' || !isRecord(json) || !dialect.withoutLogprobs) return response;
  const { usage, finishReason } = body.result;
  const result = new CompleteResult(JSON.stringify(dialect.withoutLogprobs(json)), usage, finishReason);
  return { ...response, body: { kind: 'complete', result } };
}
