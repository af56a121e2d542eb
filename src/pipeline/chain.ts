import { CompleteResult } from '../core/complete-result.ts';
import { GatewayError } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import { isConnectable, setStageOwner } from '../core/stream/frame-stream.ts';
import type { StageOwner } from '../core/stream/stage.ts';
import type { InferenceResponse } from '../dispatch/inference-response.ts';
import { DetachedScope } from './call-scope.ts';
import type { CallScope, Interceptor, Next } from './interceptor.ts';

/**
 * Joins interceptors into one function, the first outermost.
 * @param dispatch the innermost step, which asks targets
 */
export function composeChain(interceptors: readonly Interceptor[], dispatch: Next): Next {
  return interceptors.reduceRight(link, dispatch);
}

function link(inner: Next, interceptor: Interceptor): Next {
  const { name } = interceptor;
  const owner: StageOwner = { name, fault: (thrown) => interceptorFault(name, thrown) };
  const next: Next = (call, scope) => {
    const { request } = scope;
    if (request.completed)
      return Promise.reject(new TypeError('the request has ended: it takes no more calls'));
    if (scope instanceof DetachedScope) return scope.start((branch) => inner(call, branch));
    // From here on it is this interceptor's turn again.
    const running = inner(call, scope).then((response) => {
      request.stage = name;
      return response;
    });
    // An interceptor that fails may leave it to itself. An unhandled rejection ends the process.
    running.catch(() => undefined);
    return running;
  };
  return (call, scope) => {
    try {
      if (interceptor.applies?.(call, scope) === false) return inner(call, scope);
    } catch (thrown) {
      return Promise.reject(owner.fault(thrown));
    }
    const { request } = scope;
    request.stage = name;
    request.trace?.enter(name);
    request.routing.requireStreamMode(interceptor.stream);
    return handle(interceptor, owner, call, scope, next);
  };
}

/** Runs an interceptor and turns what it does wrong into errors that name it. */
async function handle(
  interceptor: Interceptor,
  owner: StageOwner,
  call: InferenceCall,
  scope: CallScope,
  next: Next,
): Promise<InferenceResponse> {
  let response: InferenceResponse;
  try {
    response = await interceptor.handle(call, scope, next);
  } catch (thrown) {
    throw isOwnFault(thrown, scope) ? owner.fault(thrown) : thrown;
  }
  const problem = responseProblem(response);
  if (problem !== undefined) throw owner.fault(new TypeError(problem));
  if (response.body.kind === 'stream') setStageOwner(response.body.stream, owner);
  return response;
}

/** Whether an interceptor failed, in contrast to an error that it reports, or one that came through it. */
function isOwnFault(thrown: unknown, { signal }: CallScope): boolean {
  if (!(thrown instanceof GatewayError)) return true;
  // It cancelled a branch and passed that on as the result, although the client is still there.
  return thrown.code === 'client_closed_request' && !signal.aborted;
}

/**
 * Plugins may be written without types.
 * @returns why a response cannot be written; undefined for one that can
 */
function responseProblem(response: Partial<InferenceResponse> | undefined): string | undefined {
  const { body, source } = response ?? {};
  if (!body || !source) return 'no response was returned';
  if (body.kind === 'complete') {
    return body.result instanceof CompleteResult ? undefined : 'the result is not a CompleteResult';
  }
  const { stream } = body;
  if (!stream || !isConnectable(stream)) return 'only a stream of this gateway can be returned';
  return stream.isConnected ? 'a stream that is read already cannot be returned' : undefined;
}

/** An interceptor's own failure. The client learns its name, the log its cause. */
export function interceptorFault(name: string, cause: unknown): GatewayError {
  const message = `The interceptor "${name}" failed.`;
  return new GatewayError('internal_error', message, { cause: new Error(message, { cause }) });
}
