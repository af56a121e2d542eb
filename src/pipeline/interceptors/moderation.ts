import { setImmediate as nextTurn } from 'node:timers/promises';
import { CompleteResult } from '../../core/complete-result.ts';
import { once } from '../../core/once.ts';
import { defineInterceptor, type Interceptor } from '../interceptor.ts';

/** The name of the gateway's rules in `x-weir-provider`. */
const SOURCE = 'moderation-rules';

/**
 * Classifies content by the gateway's own rules where no upstream does: the route of such a request has no target. Outside of
 * the guardrails, since nothing leaves the gateway.
 */
export const interceptor = defineInterceptor({
  name: 'moderation',
  create(_, { moderationWords }): Interceptor | undefined {
    if (!moderationWords) return undefined;
    const load = once(async () => {
      const { Moderator } = await import('../../guardrails/moderation/moderator.ts');
      return new Moderator(moderationWords);
    });
    return {
      name: 'moderation',
      stream: 'bytes',
      applies: ({ operation }, { request }) =>
        operation === 'moderation' && request.routing.route?.targets.length === 0,
      async handle(call, scope, next) {
        if (call.operation !== 'moderation') return next(call, scope);
        const moderator = await load();
        const result = await moderator.moderate(call.moderation, () => nextTurn());
        const { response, identity } = scope.request;
        if (call.moderation.inputs.some(({ images }) => images > 0)) {
          const message = 'The rules of the gateway classify text only.';
          response.warnings = [
            ...(response.warnings ?? []),
            { kind: 'unsupported', param: 'input', message },
          ];
        }
        response.headers.push(
          ['x-weir-model', result.model],
          ['x-weir-attempts', '0'],
          ['x-weir-cache', 'bypass'],
        );
        const id = `modr-${identity.id}`;
        return {
          source: { kind: 'guardrail', name: SOURCE },
          body: {
            kind: 'complete',
            result: new CompleteResult(call.render({ id, ...result }), undefined, undefined),
          },
        };
      },
    };
  },
});
