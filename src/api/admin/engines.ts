import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { EngineStatus } from '../../engines/engine-pool.ts';
import { readJsonBody } from '../../http/body.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';
import { adminJson, changeContext, operatorPolicies } from './access.ts';

const engine = z.object({
  id: z.string(),
  state: z
    .enum(['stopped', 'waiting', 'starting', 'ready', 'stopping'])
    .describe(
      '`waiting`: requests need it, and it waits for room or for the end of the pause after a failure.',
    ),
  pid: z.number().int().nullable(),
  port: z.number().int(),
  preload: z.boolean(),
  loads: z.number().int().describe('How many times it became ready.'),
  failures: z
    .number()
    .int()
    .describe('How many times it failed to start, exited unexpectedly or was killed.'),
  last_failure: z.string().nullable(),
  in_flight: z.number().int(),
  waiting: z.number().int().describe('Requests that wait until it is loaded.'),
  loaded_seconds: z.number().nullable().describe('Time since it became ready.'),
  idle_seconds: z.number().nullable().describe('Time since its last request.'),
  output: z.array(z.string()).describe('The last lines of its output.'),
});

export const engineList = z
  .object({ object: z.literal('list'), data: z.array(engine) })
  .meta({ id: 'Engines' });

export const engineAction = z
  .strictObject({ id: z.string().min(1), action: z.enum(['load', 'unload']) })
  .meta({ id: 'EngineAction', example: { id: 'qwen', action: 'load' } });

/** Adds the routes for operators of on-demand engines. */
export function addEngineAdminRoutes(router: HttpRouter, services: ApiServices): void {
  const { clock, engines, states, auditQueue } = services;
  const { read, write } = operatorPolicies(services);
  const seconds = (since: number | undefined) =>
    since === undefined ? null : Math.round((clock.now() - since) / 100) / 10;

  const describe = (status: EngineStatus): z.output<typeof engine> => {
    return {
      id: status.id,
      state: status.state,
      pid: status.pid ?? null,
      port: status.port,
      preload: status.preload,
      loads: status.loads,
      failures: status.failures,
      last_failure: status.lastFailure ?? null,
      in_flight: states.inflightAt(status.id) - status.waiting,
      waiting: status.waiting,
      loaded_seconds: seconds(status.readyAt),
      idle_seconds: seconds(status.lastUsedAt),
      output: [...status.output],
    };
  };

  router.route('GET', '/admin/v1/engines', read, async (httpContext) => {
    return adminJson(httpContext, { object: 'list', data: engines.list().map(describe) });
  });

  router.route('POST', '/admin/v1/engines', write, async (httpContext, actor) => {
    const { json: body } = await readJsonBody(httpContext.request, httpContext.bodyLimit);
    const { id, action } = validate(engineAction, body);
    if (!(action === 'load' ? engines.load(id) : engines.unload(id))) {
      throw new GatewayError('not_found', `There is no engine "${id}". GET lists them.`);
    }
    const by = changeContext(services, httpContext, actor);
    await auditQueue.record(undefined, by, `engine.${action}`, `engine:${id}`);
    const status = engines.list().find((one) => one.id === id);
    return adminJson(httpContext, status && describe(status));
  });
}
