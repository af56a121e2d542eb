import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createServer, type Server } from 'node:http';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { weir } from './harness.ts';

/** A gateway that exports usage to a receiver, and the commands. */

let receiver: Server;
let url: string;
let gateway: Gateway;
const received: Record<string, unknown>[] = [];
const arrived = Promise.withResolvers<void>();

beforeAll(async () => {
  receiver = createServer(async (request, response) => {
    let text = '';
    for await (const part of request.setEncoding('utf8')) text += part;
    received.push(...JSON.parse(text));
    response.end();
    if (received.some(({ tenant }) => tenant === 'default')) arrived.resolve();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const address = receiver.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/usage`;
  gateway = await startGateway({
    config: { exports: [{ id: 'finance', type: 'http', url, format: 'json', every: '1s' }] },
    env: { WEIR_WEBHOOKS_ALLOW_PRIVATE: '1' },
  });
}, 60_000);
afterAll(async () => {
  await gateway?.stop();
  receiver?.close();
});

test('a request is exported, listed, and a test record arrives', async () => {
  const { id } = await gateway.openai().chat.completions.create({
    model: 'simulator',
    messages: [{ role: 'user', content: 'hello' }],
  });
  expect(id).toBeString();
  await arrived.promise;
  const [record] = received;
  expect(record).toMatchObject({ tenant: 'default', operation: 'chat', status: 200, requests: 1 });
  const env = {
    WEIR_DATA_DIR: gateway.dataDir,
    WEIR_CONFIG: gateway.configPath,
    WEIR_WEBHOOKS_ALLOW_PRIVATE: '1',
  };
  const tested = await weir(['exports', 'test', 'finance'], env);
  expect([tested.code, tested.stderr]).toEqual([0, tested.stderr]);
  expect(received.at(-1)).toMatchObject({ id: 'ue_test', tenant: 'test', requests: 0 });
  const unknown = await weir(['exports', 'test', 'other'], env);
  expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('has no export "other"')]);
  const listed = await weir(['exports', 'list', '--json'], env);
  expect(JSON.parse(listed.stdout)).toEqual([
    expect.objectContaining({ export: 'finance', tenant: 'default', dropped: 0, failures: 0, error: null }),
  ]);
}, 60_000);
