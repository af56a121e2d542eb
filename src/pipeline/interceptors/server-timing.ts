import { z } from 'zod';
import { defineInterceptor, type Interceptor } from '../interceptor.ts';
import type { RequestContext } from '../request-context.ts';

const config = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether responses carry the header.'),
  })
  .describe(
    'Adds the header `server-timing` to responses: milliseconds in the queue, in loading an engine, and upstream.',
  );

/**
 * Tells clients where the time until the first event went. Browsers show the header in their network panel.
 * @see https://www.w3.org/TR/server-timing/
 */
export const interceptor = defineInterceptor({
  name: 'server_timing',
  config,
  create: (settings, { clock }): Interceptor | undefined =>
    settings?.enabled
      ? {
          name: 'server_timing',
          stream: 'bytes',
          async handle(call, scope, next) {
            const startedAt = clock.now();
            const response = await next(call, scope);
            scope.request.response.headers.push([
              'server-timing',
              timingOf(scope.request, startedAt, clock.now()),
            ]);
            return response;
          },
        }
      : undefined,
});

function timingOf({ timing, routing }: RequestContext, startedAt: number, now: number): string {
  const { queuedMs, loadingMs, respondedBy } = routing;
  const metrics: [name: string, ms: number][] = [
    ['receive', startedAt - timing.startedAt],
    ['queue', queuedMs],
    ['load', loadingMs],
    ['upstream', respondedBy ? now - respondedBy.startedAt : 0],
    ['total', now - timing.startedAt],
  ];
  return metrics.map(([name, ms]) => `${name};dur=${Math.max(0, ms).toFixed(1)}`).join(', ');
}
