import { afterEach, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
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

const CRASHED = 'crashed on a kept connection';

/** An upstream that crashes at the first POST on a connection that it has used before, after it has read it. */
async function start(how: 'end' | 'reset', retry: Record<string, unknown>) {
  const received: string[] = [];
  const script: Script = async (peer) => {
    for (let isKept = false; ; isKept = true) {
      const { head } = await peer.request();
      const crashes = head.startsWith('POST') && isKept && !received.includes(CRASHED);
      if (head.startsWith('POST')) received.push(crashes ? CRASHED : 'answered');
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

/** Sends requests until the upstream has crashed: a connection that is not yet idle again is not used for the next one. */
async function untilCrash(
  gateway: Gateway,
  received: readonly string[],
  more: { readonly headers?: Record<string, string> } = {},
): Promise<Response> {
  for (let sent = 0; sent < 20; sent += 1) {
    const response = await post(gateway, chat(), more);
    if (received.includes(CRASHED)) return response;
    expect(response.status).toBe(200);
    await response.arrayBuffer();
  }
  throw new Error('no connection was used again');
}

test.each(['end', 'reset'] as const)('with retries: an attempt of its own (%s)', async (how) => {
  const { gateway, received } = await start(how, { attempts: 2, base: '1ms', budget: 1 });
  const response = await untilCrash(gateway, received, { headers: { 'x-weir-explain': '1' } });
  expect(response.status).toBe(200);
  expect(response.headers.get('x-weir-attempts')).toBe('2');
  const why = asObject(JSON.parse(response.headers.get('x-weir-explain') ?? '{}'));
  expect(why.attempts).toMatchObject([{ error: 'upstream_closed' }, { output_tokens: 2 }]);
  expect(received.slice(received.indexOf(CRASHED))).toEqual([CRASHED, 'answered']);
  const page = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
  expect(page.includes('llm_provider_errors_total{provider="mock",code="upstream_closed"} 1')).toBe(true);
});

test.each(['end', 'reset'] as const)('without retries: a failure (%s)', async (how) => {
  const { gateway, received } = await start(how, { attempts: 1 });
  const response = await untilCrash(gateway, received);
  expect([response.status, received.at(-1)]).toEqual([502, CRASHED]);
  expect(asObject(asObject(await response.json()).error).code).toBe('upstream_closed');
});
