import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { readJsonBody } from '../../http/body.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import type { SideSummary } from '../../routing/experiments/canary.ts';
import type { CanaryStatus } from '../../routing/experiments/experiments.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';
import { adminJson, changeContext, operatorPolicies } from './access.ts';

const side = z.object({
  requests: z.number().int(),
  error_rate: z.number(),
  ms_per_token: z.number().nullable(),
  usd_per_request: z.number().nullable().describe('A mean, and therefore not an exact decimal.'),
});

const canary = z.object({
  model: z.string(),
  canary: z.string().describe('The model that serves part of its requests.'),
  percent: z.number(),
  state: z.enum(['running', 'rolled_back', 'stopped']),
  reason: z.string().nullable(),
  sides: z.object({ canary: side, stable: side }),
});

export const canaryList = z
  .object({ object: z.literal('list'), data: z.array(canary) })
  .meta({ id: 'Canaries' });

export const canaryAction = z
  .strictObject({ model: z.string().min(1), action: z.enum(['resume', 'stop']) })
  .meta({ id: 'CanaryAction', example: { model: 'chat', action: 'resume' } });

const sideOf = ({ requests, errorRate, timePerTokenMs, nanoUsd }: SideSummary): z.output<typeof side> => ({
  requests,
  error_rate: errorRate,
  ms_per_token: timePerTokenMs ?? null,
  usd_per_request: nanoUsd === undefined ? null : nanoUsd / 1e9,
});

const describe = ({ sides, reason, ...status }: CanaryStatus): z.output<typeof canary> => ({
  ...status,
  reason: reason ?? null,
  sides: { canary: sideOf(sides.canary), stable: sideOf(sides.stable) },
});

/** Canaries as operators see them: how both sides do, and whether one was taken back. */
export function addExperimentAdminRoutes(router: HttpRouter, services: ApiServices): void {
  const { snapshot, auditQueue } = services;
  const { read, write } = operatorPolicies(services);
  const experiments = () => snapshot().router.experiments;

  router.route('GET', '/admin/v1/canaries', read, async (httpContext) => {
    return adminJson(httpContext, { object: 'list', data: experiments().canaries().map(describe) });
  });

  router.route('POST', '/admin/v1/canaries', write, async (httpContext, actor) => {
    const { json: body } = await readJsonBody(httpContext.request, httpContext.bodyLimit);
    const { model, action } = validate(canaryAction, body);
    if (!experiments().decide(model, action)) {
      throw new GatewayError('not_found', `Model "${model}" has no canary. GET lists them.`);
    }
    const by = changeContext(services, httpContext, actor);
    await auditQueue.record(undefined, by, `canary.${action}`, `model:${model}`);
    const status = experiments()
      .canaries()
      .find((one) => one.model === model);
    return adminJson(httpContext, status && describe(status));
  });
}
