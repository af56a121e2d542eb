import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { status } from '../support/scripts.ts';
import { chat, completion, eventually, post, provider } from './harness.ts';

let mock: MockUpstream;
let gateway: Gateway;
beforeAll(async () => {
  mock = await startMockUpstream();
  gateway = await startGateway({
    config: {
      providers: [provider({ id: 'first', url: mock.url }), provider({ id: 'second', url: mock.url })],
      models: [
        {
          id: 'chat',
          targets: [
            { provider: 'first', model: 'up' },
            { provider: 'second', model: 'up', tier: 1 },
          ],
        },
      ],
      prices: [{ model: 'up', input: '1', output: '10' }],
    },
  });
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

async function lineOf(id: string): Promise<Record<string, unknown>> {
  const find = () => gateway.logs().find((line) => line.msg === 'request' && line.request_id === id);
  await eventually('its line is written', () => find() !== undefined);
  return find() ?? {};
}

async function ask(id: string): Promise<number> {
  const response = await post(gateway, chat(), { headers: { 'x-request-id': id } });
  await response.arrayBuffer();
  return response.status;
}

test('a line has the cost and the address, and names the attempts that failed before a fallback', async () => {
  mock.respond(status(500, { error: { message: 'broken' } }), completion());
  expect(await ask('fell-back')).toBe(200);
  expect(await lineOf('fell-back')).toMatchObject({
    level: 'info',
    address: '127.0.0.1',
    provider: 'second',
    attempts: 2,
    cost: '0.000023',
    failed_attempts: [{ provider: 'first', model: 'up', error: 'upstream_error', upstream_status: 500 }],
  });
});

test('a request that failed for its providers is a warning, one that was wrong is not', async () => {
  mock.respond(status(500, { error: { message: 'a' } }), status(503, { error: { message: 'b' } }));
  expect(await ask('failed')).toBe(503);
  const failed = await lineOf('failed');
  expect(failed).toMatchObject({ level: 'warn', outcome: 'failed', status: 503 });
  expect(failed.failed_attempts).toHaveLength(2);
  mock.respond(status(400, { error: { message: 'bad' } }));
  expect(await ask('wrong')).toBe(400);
  expect(await lineOf('wrong')).toMatchObject({ level: 'info', outcome: 'failed', status: 400 });
  mock.respond(completion());
  expect(await ask('fine')).toBe(200);
  expect(await lineOf('fine')).not.toHaveProperty('failed_attempts');
});
