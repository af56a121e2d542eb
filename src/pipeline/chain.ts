import { GatewayError } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import type { FrameStream } from '../core/stream/frame.ts';
import { TransformedStream } from '../core/stream/frame-stream.ts';
import type { InferenceResponse } from '../dispatch/inference-response.ts';
import { DetachedScope } from './call-scope.ts';
import type { CallScope, Interceptor, Next } from './interceptor.ts';

/**
 * Joins interceptors into one function, the first outermost.
 * @param dispatch the innermost step, which asks targets
 */
export function composeChain(interceptors: readonly Interceptor[], dispatch: Next): Next {
  const innermost: Next = (call, scope) => {
    assertRunning(scope);
    return dispatch(call, scope);
  };
  return interceptors.reduceRight(link, innermost);
}

function link(inner: Next, interceptor: Interceptor): Next {
  const next: Next = (call, scope) => {
    if (scope instanceof DetachedScope) return scope.start(() => inner(call, scope.fork()));
    const { request } = scope;
    const running = inner(call, scope);
    // From here on it is this interceptor's turn again.
    return running.then((response) => {
      request.stage = interceptor.name;
      return response;
    });
  };
  return (call, scope) => {
    if (interceptor.applies?.(call, scope) === false) return inner(call, scope);
    const { request } = scope;
    request.stage = interceptor.name;
    request.routing.requireStreamMode(interceptor.stream);
    return handle(interceptor, call, scope, next);
  };
}

/** Runs an interceptor and turns what it does wrong into errors that name it. */
async function handle(
  interceptor: Interceptor,
  call: InferenceCall,
  scope: CallScope,
  next: Next,
): Promise<InferenceResponse> {
  const { name } = interceptor;
  let response: InferenceResponse;
  try {
    response = await interceptor.handle(call, scope, next);
  } catch (thrown) {
    throw thrown instanceof GatewayError ? thrown : interceptorFault(name, thrown);
  }
  if (response?.body === undefined) throw interceptorFault(name, new TypeError('no response was returned'));
  if (response.body.kind === 'stream') guardStages(response.body.stream, name);
  return response;
}

/** Makes the stages that an interceptor added answer by its name. Those inside of it were named before. */
function guardStages(stream: FrameStream, name: string): void {
  for (let stage: FrameStream = stream; stage instanceof TransformedStream; stage = stage.parent) {
    if (!stage.guard((thrown) => interceptorFault(name, thrown))) return;
  }
}

function assertRunning({ request }: CallScope): void {
  if (!request.completed) return;
  throw new GatewayError('internal_error', 'The request has ended: it takes no more calls.');
}

/** An interceptor's own failure. The client learns its name, the log its cause. */
export function interceptorFault(name: string, cause: unknown): GatewayError {
  return new GatewayError('internal_error', `The interceptor "${name}" failed.`, { cause });
}
