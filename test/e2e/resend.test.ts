import { afterEach, expect, test } from 'bun:test';
import { startGateway } from '../support/gateway.ts';
import { type Script, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { chat, mockConfig, post } from './harness.ts';
import { asObject } from './helpers/json.ts';

/** A request that an upstream may have read is sent again only as a visible attempt. */

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const BODY = JSON.stringify({
  ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'm' },
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
});
const ANSWER = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;

const CRASHED = ['answered', 'crashed on a kept connection'];

/** An upstream that crashes at its second POST, after it has read it. */
async function start(how: 'end' | 'reset', retry: Record<string, unknown>) {
  const received: string[] = [];
  const script: Script = async (peer) => {
    for (let isKept = false; ; isKept = true) {
      const { head } = await peer.request();
      const crashes = head.startsWith('POST') && received.length === 1;
      if (head.startsWith('POST')) {
        received.push(crashes ? `crashed on a ${isKept ? 'kept' : 'new'} connection` : 'answered');
      }
      if (crashes) peer[how]();
      else await peer.write(ANSWER);
    }
  };
  const upstream = await startScriptedUpstream(script);
  opened.push(() => upstream.close());
  const gateway = await startGateway({ config: mockConfig(upstream.url, { routing: { retry } }) });
  opened.push(() => gateway.stop());
  return { gateway, received };
}

test.each(['end', 'reset'] as const)('with retries: an attempt of its own (%s)', async (how) => {
  const { gateway, received } = await start(how, { attempts: 2, base: '1ms', budget: 1 });
  expect((await post(gateway, chat())).status).toBe(200);
  const response = await post(gateway, chat(), { headers: { 'x-weir-explain': '1' } });
  expect(response.status).toBe(200);
  expect(response.headers.get('x-weir-attempts')).toBe('2');
  const why = asObject(JSON.parse(response.headers.get('x-weir-explain') ?? '{}'));
  expect(why.attempts).toMatchObject([{ error: 'upstream_closed' }, { output_tokens: 2 }]);
  expect(received).toEqual([...CRASHED, 'answered']);
  const page = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
  expect(page.includes('llm_provider_errors_total{provider="mock",code="upstream_closed"} 1')).toBe(true);
});

test.each(['end', 'reset'] as const)('without retries: a failure (%s)', async (how) => {
  const { gateway, received } = await start(how, { attempts: 1 });
  expect((await post(gateway, chat())).status).toBe(200);
  const response = await post(gateway, chat());
  expect([response.status, received]).toEqual([502, CRASHED]);
  expect(asObject(asObject(await response.json()).error).code).toBe('upstream_closed');
});
