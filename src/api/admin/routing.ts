import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { readJsonBody } from '../../http/body.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import type { Target } from '../../providers/types.ts';
import { TargetStates } from '../../routing/health/target-states.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';
import { adminJson, changeContext, operatorPolicies } from './access.ts';

const OVERRIDES = ['drain', 'disable', 'force'] as const;

const targetState = z.object({
  provider: z.string(),
  model: z.string(),
  key: z
    .number()
    .int()
    .nullable()
    .describe('Number of the API key, from 1; null for a provider with one key.'),
  available: z.boolean(),
  unavailable_because: z.string().nullable(),
  breaker: z
    .enum(['closed', 'open', 'half-open'])
    .describe('Circuit breaker of the operation that is worst off.'),
  open_operations: z
    .array(z.string())
    .describe(
      'Operations whose circuit breaker is not closed: `chat`, `completion`, `embedding`, `rerank`, `count-tokens`.',
    ),
  healthy: z.boolean().nullable().describe('Result of health checks; null for targets that are not checked.'),
  override: z.enum(OVERRIDES).nullable(),
  share: z.number().describe('Share of its normal load; below 1 during slow start.'),
  in_flight: z.number().int(),
  max_concurrency: z.number().int().nullable().describe('Current concurrency limit; null for none.'),
  queued: z.number().int().describe('Requests in its queue; some wait for other targets too.'),
  ms_per_token: z.number().nullable(),
  first_event_p95_ms: z.number().nullable(),
  successes: z.number().int(),
  failures: z.number().int(),
  last_failure: z.object({ code: z.string(), message: z.string(), seconds_ago: z.number() }).nullable(),
});

export const targetStates = z
  .object({ object: z.literal('list'), data: z.array(targetState) })
  .meta({ id: 'TargetStates' });

export const overrideRequest = z
  .strictObject({
    provider: z.string().min(1),
    model: z.string().min(1).describe("The provider's name of the model."),
    key: z.int().positive().optional().describe('Number of the API key, from 1. Default: the first.'),
    override: z
      .enum(OVERRIDES)
      .nullable()
      .optional()
      .describe(
        '`drain` and `disable` exclude the target from new requests, `force` admits them whatever was measured; null removes the override.',
      ),
    reset: z
      .boolean()
      .optional()
      .describe('Discard measurements: closes the circuit breaker and ends a cooldown.'),
  })
  .refine(({ override, reset }) => override !== undefined || reset === true, {
    message: 'says nothing to do: give "override" or "reset"',
    path: ['override'],
  })
  .meta({ id: 'TargetOverride', example: { provider: 'openai', model: 'gpt-4o', override: 'drain' } });

/** Adds the routes for operators of routing: target states and overrides. */
export function addRoutingAdminRoutes(router: HttpRouter, services: ApiServices): void {
  const { clock, states, auditQueue } = services;
  const { read, write } = operatorPolicies(services);

  /** The targets of configured models, and other targets that were used. */
  const targets = (): Target[] => {
    const { directory, providers } = services.snapshot();
    const found = new Map(directory.targets().map((target) => [TargetStates.key(target), target]));
    for (const provider of providers) {
      for (const { of } of states.ofProvider(provider.id)) {
        const { model, account } = of;
        const own = [provider, ...(provider.accounts ?? [])].find((one) => one.account === account);
        const target = own && { provider: own, model, weight: 1 };
        if (target && !found.has(TargetStates.key(target))) found.set(TargetStates.key(target), target);
      }
    }
    return [...found.values()];
  };

  const describe = (target: Target): z.output<typeof targetState> => {
    const now = clock.now();
    const state = states.of(target);
    const why = state.unavailable(now);
    const { lastFailure } = state;
    return {
      provider: target.provider.id,
      model: target.model,
      key: target.provider.account ?? null,
      available: why === undefined,
      unavailable_because: why ?? null,
      breaker: state.breakerState(now),
      open_operations: state.breakers.openOperations(now),
      healthy: state.healthy ?? null,
      override: state.override ?? null,
      share: state.share(now),
      in_flight: state.inflight,
      max_concurrency: state.gate?.limit ?? null,
      queued: state.gate?.queue.size ?? 0,
      ms_per_token: state.timePerToken.at(now) ?? null,
      first_event_p95_ms: state.firstEvent.quantile(0.95) ?? null,
      successes: state.successes,
      failures: state.failures,
      last_failure: lastFailure
        ? {
            code: lastFailure.code,
            message: lastFailure.message,
            seconds_ago: Math.round((now - lastFailure.at) / 100) / 10,
          }
        : null,
    };
  };

  router.route('GET', '/admin/v1/targets', read, async (httpContext) => {
    return adminJson(httpContext, { object: 'list', data: targets().map(describe) });
  });

  router.route('POST', '/admin/v1/targets', write, async (httpContext, actor) => {
    const { json: body } = await readJsonBody(httpContext.request, httpContext.bodyLimit);
    const { provider, model, key = 1, override, reset } = validate(overrideRequest, body);
    const target = targets().find(
      (one) => one.provider.id === provider && one.model === model && (one.provider.account ?? 1) === key,
    );
    if (!target) {
      throw new GatewayError('not_found', `There is no target "${provider}/${model}". GET lists them.`);
    }
    const state = states.of(target);
    if (override !== undefined) state.decide(override ?? undefined, clock.now());
    if (reset) state.reset(clock.now());
    const by = changeContext(services, httpContext, actor);
    await auditQueue.record(undefined, by, 'target.update', `target:${provider}/${model}`, {
      ...{ key: target.provider.account ?? null, override, reset },
    });
    return adminJson(httpContext, describe(target));
  });
}
