import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { EngineStatus } from '../../engines/engine-pool.ts';
import { readJsonBody } from '../../http/body.ts';
import type { Door } from '../../http/door.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';
import { adminJson } from './access.ts';

const engine = z.object({
  id: z.string(),
  state: z
    .enum(['stopped', 'waiting', 'starting', 'ready', 'stopping'])
    .describe('`waiting`: it is wanted, and waits for a place or for the pause after a failure to end.'),
  pid: z.number().int().nullable(),
  port: z.number().int(),
  preload: z.boolean(),
  loads: z.number().int().describe('How often it became ready.'),
  failures: z.number().int().describe('How often it did not start, ended by itself or had to be ended.'),
  last_failure: z.string().nullable(),
  in_flight: z.number().int(),
  waiting: z.number().int().describe('Requests that wait for it to be loaded.'),
  loaded_seconds: z.number().nullable().describe('For how long it has been ready.'),
  idle_seconds: z.number().nullable().describe('How long ago it was used last.'),
  output: z.array(z.string()).describe('The last lines that it has written.'),
});

export const engineList = z
  .object({ object: z.literal('list'), data: z.array(engine) })
  .meta({ id: 'Engines' });

export const engineAction = z
  .strictObject({ id: z.string().min(1), action: z.enum(['load', 'unload']) })
  .meta({ id: 'EngineAction', example: { id: 'qwen', action: 'load' } });

/** Engines that are started when they are needed, as operators see them. */
export function addEngineAdminRoutes(door: Door, services: ApiServices): void {
  const { clock, engines, states } = services;
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

  door.route('GET', '/admin/v1/engines', async (exchange) => {
    await services.assertOperator(exchange, 'platform:read');
    return adminJson(exchange, { object: 'list', data: engines.list().map(describe) });
  });

  door.route('POST', '/admin/v1/engines', async (exchange) => {
    await services.assertOperator(exchange, 'platform:write');
    const { json: body } = await readJsonBody(exchange.request, services.snapshot().bodyLimit);
    const { id, action } = validate(engineAction, body);
    if (!(action === 'load' ? engines.load(id) : engines.unload(id))) {
      throw new GatewayError('not_found', `There is no engine "${id}". GET lists them.`);
    }
    const status = engines.list().find((one) => one.id === id);
    return adminJson(exchange, status && describe(status));
  });
}
