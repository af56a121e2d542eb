import { GatewayError } from '../core/errors.ts';
import { drainStream } from '../core/stream/drain.ts';
import type { AskModel } from '../guardrails/guardrail.ts';
import type { ChatQuestion } from './chat-question.ts';
import type { CallScope, Next } from './interceptor.ts';
import type { InterceptorServices } from './interceptor-services.ts';
import { settleAs } from './settle-call.ts';

/**
 * Lets guardrails ask a model beside a request. The question is a request of its own, with the same key: it is routed,
 * limited and settled like others, and no guardrail reads it.
 */
export function askModel(
  scope: CallScope,
  next: Next,
  services: InterceptorServices,
  question: ChatQuestion,
): AskModel {
  return async (model, prompt, signal) => {
    const route = services.router.resolve(model);
    if (!route)
      throw new GatewayError('model_not_found', `The model "${model}" of a guardrail does not exist.`);
    const detached = scope.detach(scope.deadlineAt, 'guardrail');
    const { request } = detached;
    const call = question(model, prompt);
    request.controls = { ...scope.request.controls, model, stream: false, strict: false, tags: [] };
    request.routing.route = route;
    settleAs(request, undefined, call, services);
    const cancel = () =>
      request.abort(new GatewayError('client_closed_request', 'The guardrail needs no verdict any more.'));
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const { body } = await next(call, detached);
      if (body.kind === 'stream') {
        await drainStream(body.stream);
        throw new TypeError('a question was answered with a stream');
      }
      const parts = body.result.chat()?.choices[0]?.content ?? [];
      return parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };
}
