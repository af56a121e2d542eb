import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { openRaw, requestBytes } from '../support/http-raw.ts';
import { metric } from './harness.ts';

let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway();
});

afterAll(async () => {
  await gateway.stop();
});

test('a body that does not arrive within the time of its request is answered with 408, and holds nothing', async () => {
  const raw = await openRaw(gateway.url);
  const request = requestBytes({
    method: 'POST',
    target: '/v1/chat/completions',
    headers: {
      authorization: `Bearer ${gateway.adminKey}`,
      'content-type': 'application/json',
      'content-length': '100',
      'x-weir-timeout': '200ms',
    },
  });
  raw.send(request);
  raw.send('{');
  const response = await raw.readResponse();
  expect(response.status).toBe(408);
  expect(response.json()).toMatchObject({ error: { code: 'request_timeout' } });
  expect(await metric(gateway, 'llm_requests_in_flight')).toBe(0);
  raw.destroy();
});
