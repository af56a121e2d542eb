import { defineInterceptor, type Interceptor } from '../interceptor.ts';
import { RequestCapture } from '../request-capture.ts';

/** Keeps what clients of tenants with a request log send and receive. It is the outermost, so it sees what they see. */
export const interceptor = defineInterceptor({
  name: 'request_log',
  create(_, { clock, requestLog }): Interceptor | undefined {
    if (!requestLog) return undefined;
    return {
      name: 'request_log',
      stream: 'observe',
      applies: (_call, { request }) =>
        request.identity.principal.logsRequests === true && request.forwarding?.kind !== 'capture',
      async handle(call, scope, next) {
        const { request } = scope;
        const capture = new RequestCapture(call.text);
        request.afterEnd(() => requestLog.add(capture.taken(request, clock.now(), clock.wallTime())));
        const response = await next(call, scope);
        const { body } = response;
        if (body.kind === 'complete') {
          capture.complete(body.result.text);
          return response;
        }
        return { ...response, body: { kind: 'stream', stream: body.stream.through(capture) } };
      },
    };
  },
});
