import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type Peer, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts';
import { chat, errorIn, post, provider } from './harness.ts';

/** Upstreams that send what no upstream should, to the real program. */

const MIB = 1024 * 1024;
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

let upstream: ScriptedUpstream;
let gateway: Gateway;

const framed = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const event = (content: string) =>
  `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`;

function answer(content: string): string {
  const body = JSON.stringify({
    ...{ id: 'x', object: 'chat.completion', created: 1, model: 'm' },
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  });
  return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** Sends text until the gateway closes the connection. */
async function flood(peer: Peer, text: string): Promise<void> {
  for (;;) await peer.write(text);
}

/** The behaviour of each upstream model towards a request that asks it to say something. */
const BEHAVIOURS: Readonly<Record<string, (peer: Peer, wanted: string) => Promise<void>>> = {
  'sends-comments': async (peer) => {
    await peer.write(HEAD);
    await flood(peer, framed(': waiting\n\n'.repeat(1_000)));
  },
  'sends-empty-comments': async (peer) => {
    await peer.write(HEAD);
    await flood(peer, framed(':\n\n'.repeat(4_000)));
  },
  'sends-chunks-without-choices': async (peer) => {
    await peer.write(HEAD);
    await flood(peer, framed('data: {"id":"x","choices":[]}\n\n'.repeat(400)));
  },
  'sends-an-endless-event': async (peer) => {
    await peer.write(`${HEAD}${framed('data: ')}`);
    await flood(peer, framed('x'.repeat(16_384)));
  },
  'sends-an-endless-stream': async (peer) => {
    await peer.write(HEAD);
    await flood(peer, framed(event('x'.repeat(1_000)).repeat(16)));
  },
  'sends-an-endless-body': async (peer) => {
    await peer.write('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"a":"');
    await flood(peer, 'x'.repeat(16_384));
  },
  'sends-an-endless-head': async (peer) => {
    await peer.write('HTTP/1.1 200 OK\r\n');
    await flood(peer, 'x: y\r\n'.repeat(1_000));
  },
  'answers-too-much': async (peer, wanted) => {
    await peer.write(answer(wanted));
    await turn();
    await peer.write(answer('evil'));
  },
  'answers-with-204': async (peer, wanted) => {
    if (wanted.endsWith('0')) {
      await peer.write('HTTP/1.1 204 No Content\r\n\r\n');
      await turn();
      await peer.write(answer('evil'));
    } else await peer.write(answer(wanted));
  },
};

beforeAll(async () => {
  upstream = await startScriptedUpstream(async (peer) => {
    for (;;) {
      const { head, body } = await peer.request();
      if (!head.startsWith('POST')) {
        await peer.write('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
        continue;
      }
      const { model, messages } = JSON.parse(body.toString());
      await BEHAVIOURS[String(model)]?.(peer, String(messages[0].content));
    }
  });
  gateway = await startGateway({
    config: {
      upstream: { max_response: '32MB' },
      limits: { max_request: '20s' },
      routing: {
        retry: { attempts: 1 },
        breaker: { failures: 10_000, min_requests: 10_000 },
        cool_down: { max: '0s' },
      },
      providers: [provider({ id: 'up', url: upstream.url })],
      models: Object.keys(BEHAVIOURS).map((id) => ({ id, targets: [{ provider: 'up', model: id }] })),
    },
  });
});
afterAll(async () => {
  await gateway?.stop();
  await upstream?.close();
});

async function residentBytes(): Promise<number> {
  const page = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\d+)/m.exec(page)?.[1]);
}

async function say(model: string, content: string): Promise<string> {
  const response = await post(gateway, chat({ model, messages: [{ role: 'user', content }] }));
  const { choices, error } = await response.json();
  return choices ? String(choices[0].message.content) : String(error.code);
}

describe('a stream', () => {
  test.each([
    'sends-comments',
    'sends-empty-comments',
    'sends-chunks-without-choices',
    'sends-an-endless-event',
  ])('whose upstream %s before its first event fails, and costs little memory', async (model) => {
    const before = await residentBytes();
    const responses = await Promise.all(
      Array.from({ length: 4 }, () => post(gateway, chat({ model, stream: true }))),
    );
    for (const response of responses) {
      expect(response.status).toBe(502);
      expect(errorIn(await response.json()).code).toBe('upstream_invalid_response');
    }
    const each = model === 'sends-an-endless-event' ? 40 * MIB : 4 * MIB;
    expect(await residentBytes()).toBeLessThan(before + 64 * MIB + 4 * each);
  });

  test('without end ends with an error event', async () => {
    const response = await post(gateway, chat({ model: 'sends-an-endless-stream', stream: true }));
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text.length).toBeLessThan(40 * MIB);
    expect(text.slice(-500)).toContain('upstream.max_response');
  });
});

test.each(['sends-an-endless-body', 'sends-an-endless-head'])(
  'a response whose upstream %s fails',
  async (model) => {
    expect(await say(model, 'x')).toBe('upstream_invalid_response');
  },
);

describe('bytes that belong to no response reach no other request', () => {
  test.each(['answers-too-much', 'answers-with-204'])('of an upstream that %s', async (model) => {
    let next = 0;
    const wrong: string[] = [];
    const client = async () => {
      while (next < 300) {
        const wanted = `request ${next++}`;
        const said = await say(model, wanted);
        const failsRightly = wanted.endsWith('0') && said === 'upstream_invalid_response';
        if (said !== wanted && !failsRightly) wrong.push(`${wanted}: ${said}`);
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    expect(wrong).toEqual([]);
  });
});
