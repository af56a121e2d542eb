import { z } from 'zod';
import { editCall } from '../../core/edit-call.ts';
import { defineInterceptor, type Interceptor } from '../interceptor.ts';

const config = z
  .strictObject({
    models: z
      .record(z.string().min(1), z.string().min(1).max(100_000))
      .describe("By model: the text that goes before the client's own system prompt."),
  })
  .describe(
    'Puts a text before the system prompt of chats, in whatever dialect the client speaks. Legacy completions have no system prompt and stay as they are.',
  );

/** Instructions of the operator to a model, for every caller. */
export const interceptor = defineInterceptor({
  name: 'system_prompt_prefix',
  config,
  create(settings): Interceptor | undefined {
    const prefixes = new Map(Object.entries(settings?.models ?? {}));
    if (prefixes.size === 0) return undefined;
    return {
      name: 'system_prompt_prefix',
      stream: 'bytes',
      applies: ({ operation }, { request }) =>
        operation === 'chat' && prefixes.has(request.routing.route?.id ?? ''),
      handle(call, scope, next) {
        const text = prefixes.get(scope.request.routing.route?.id ?? '');
        if (text === undefined || call.operation !== 'chat') return next(call, scope);
        return next(editCall(call, { type: 'prepend-system', text }) ?? call, scope);
      },
    };
  },
});
