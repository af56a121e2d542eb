import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { eventData, eventJson } from '../support/event-stream.ts';
import { createGate } from '../support/gate.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, refusedUrl, startMockUpstream } from '../support/mock-upstream.ts';
import { dataEvents, eventStream, json, status, truncatedStream } from '../support/scripts.ts';
import {
  chat,
  chunk,
  completion,
  errorIn,
  expectError,
  mockConfig,
  post,
  provider,
  streamed,
  streamPieces,
} from './harness.ts';

let left: MockUpstream;
let right: MockUpstream;
let spare: MockUpstream;
let gateway: Gateway;

beforeAll(async () => {
  [left, right, spare] = await Promise.all([startMockUpstream(), startMockUpstream(), startMockUpstream()]);
  for (const [mock, name] of [
    [left, 'left'],
    [right, 'right'],
    [spare, 'spare'],
  ] as const) {
    mock.respondAlways((request) =>
      request.text().includes('"stream":true')
        ? streamed(`From ${name}.`)
        : completion(`From ${name}.`, `${name}-model`),
    );
  }
  const both = (weights: readonly [number, number] = [1, 1]) => [
    { provider: 'left', model: 'left-model', weight: weights[0] },
    { provider: 'right', model: 'right-model', weight: weights[1] },
  ];
  const one = (id: string, at: string, fallbacks: string[] = []) => ({
    id,
    targets: [{ provider: at, model: `${at}-model` }],
    fallbacks,
  });
  gateway = await startGateway({
    config: mockConfig(left.url, {
      providers: [
        provider({ id: 'left', url: left.url }),
        provider({ id: 'right', url: right.url }),
        provider({ id: 'spare', url: spare.url, settings: { models: ['listed/model'] } }),
        provider({ id: 'closed', url: await refusedUrl() }),
      ],
      models: [
        { id: 'in-turn', strategy: 'round-robin', targets: both() },
        { id: 'weighted', strategy: 'weighted', targets: both([9, 1]) },
        { id: 'only-right', strategy: 'weighted', targets: both([0, 1]) },
        { id: 'least', strategy: 'least-inflight', targets: both() },
        { id: 'least-weighted', strategy: 'least-inflight', targets: both([3, 1]) },
        { ...one('named', 'left'), aliases: ['nick', 'the/alias'] },
        one('with-fallbacks', 'left', ['falls-to-right', 'spare/deep']),
        one('falls-to-right', 'right'),
        one('circle-free', 'closed', ['named']),
        {
          id: 'both-closed',
          targets: [
            { provider: 'closed', model: 'a' },
            { provider: 'closed', model: 'b' },
          ],
        },
      ],
    }),
  });
});

afterAll(async () => {
  await gateway?.stop();
  await Promise.all([left?.close(), right?.close(), spare?.close()]);
});

afterEach(async () => {
  for (const mock of [left, right, spare]) {
    await mock.waitForOpen(0);
    expect(mock.unscripted).toEqual([]);
  }
});

interface Asked {
  readonly status: number;
  readonly by: string | null;
  readonly attempts: string | null;
  readonly text: string;
}

async function ask(model: string, more: Record<string, unknown> = {}): Promise<Asked> {
  const response = await post(gateway, chat({ model, ...more }));
  const { headers } = response;
  return {
    status: response.status,
    by: headers.get('x-weir-provider'),
    attempts: headers.get('x-weir-attempts'),
    text: await response.text(),
  };
}

const broken = status(500, { error: { message: 'Broken.' } });
const counts = () => [left.requests.length, right.requests.length, spare.requests.length];
/** How many requests each upstream got while the work was done. */
async function spread(work: () => Promise<unknown>): Promise<number[]> {
  const before = counts();
  await work();
  return counts().map((count, index) => count - (before[index] ?? 0));
}

describe('strategies', () => {
  test('round-robin takes turns', async () => {
    const order: (string | null)[] = [];
    for (let turn = 0; turn < 6; turn += 1) order.push((await ask('in-turn')).by);
    expect(order.slice(0, 2).sort()).toEqual(['left', 'right']);
    expect(order.slice(2, 4)).toEqual(order.slice(0, 2));
    expect(order.slice(4)).toEqual(order.slice(0, 2));
  });

  test('weighted follows the weights', async () => {
    const [toLeft = 0, toRight = 0] = await spread(() =>
      Promise.all(Array.from({ length: 400 }, () => ask('weighted'))),
    );
    expect(toLeft + toRight).toBe(400);
    // 40 are expected on the right, with a standard deviation of 6: 10 to 80 is beyond any chance.
    expect(toRight).toBeGreaterThan(4);
    expect(toRight).toBeLessThan(90);
  });

  test('a weight of 0 takes a target out of use, even as a last resort', async () => {
    expect(await spread(() => Promise.all(Array.from({ length: 10 }, () => ask('only-right'))))).toEqual([
      0, 10, 0,
    ]);
    right.respond(broken);
    const { status: code, attempts } = await ask('only-right');
    expect([code, attempts]).toEqual([502, '1']);
  });

  test('least-inflight goes round when idle, and to the idle one when not', async () => {
    const idle = await spread(async () => {
      for (let turn = 0; turn < 4; turn += 1) await ask('least');
    });
    expect(idle).toEqual([2, 2, 0]);

    const gate = createGate();
    const held = { ...completion(), gate, holdHead: true };
    left.respond(held, held);
    const waiting = [ask('left/left-model'), ask('left/left-model')];
    await left.waitForOpen(2);
    expect(
      await spread(async () => {
        for (let turn = 0; turn < 4; turn += 1) expect((await ask('least')).by).toBe('right');
      }),
    ).toEqual([0, 4, 0]);
    gate.open();
    await Promise.all(waiting);
  });

  test('least-inflight counts what is open for its weight', async () => {
    const gate = createGate();
    const held = { ...completion(), gate, holdHead: true };
    left.respond(held, held, held, held, held, held);
    right.respond(held, held);
    const waiting: Promise<Asked>[] = [];
    // One after the other, so that each choice sees the one before it.
    for (let open = 1; open <= 8; open += 1) {
      const before = left.requests.length + right.requests.length;
      waiting.push(ask('least-weighted'));
      await Promise.race([
        left.waitForRequest(left.requests.length + 1),
        right.waitForRequest(right.requests.length + 1),
      ]);
      expect(left.requests.length + right.requests.length).toBe(before + 1);
    }
    expect([left.openRequests(), right.openRequests()]).toEqual([6, 2]);
    gate.open();
    expect((await Promise.all(waiting)).map(({ status: code }) => code)).toEqual(waiting.map(() => 200));
  });
});

describe('before the answer has begun', () => {
  test.each([
    ['a server error', broken],
    ['an overload', status(503, {})],
    ['a rate limit', status(429, { error: { message: 'Slow down.' } }, { 'retry-after': '9' })],
    ['a refused credential', status(401, { error: { message: 'No.' } })],
    ['a close', { raw: [], ending: 'close' } as const],
    ['an answer that is none', status(200, { ok: true })],
  ])('%s leads to the next target', async (_, script) => {
    left.closeIdleConnections();
    await left.waitForConnections(0);
    left.respond(script);
    const { status: code, by, attempts, text } = await ask('with-fallbacks');
    expect([code, by, attempts]).toEqual([200, 'right', '2']);
    expect(text).toContain('From right.');
  });

  test.each([
    ['an error status', broken],
    ['an error event', eventStream(dataEvents([{ error: { message: 'Overloaded.', code: 503 } }]))],
    ['an end without an event', eventStream([])],
    ['a complete answer of another format', json({ hello: 'world' })],
  ])('%s to a stream leads to the next target, and nothing of it is seen', async (_, script) => {
    left.respond(script);
    const { status: code, by, text } = await ask('with-fallbacks', { stream: true });
    expect([code, by]).toEqual([200, 'right']);
    expect(text).not.toContain('verload');
    expect(text).toContain('From right.');
    expect(text).toEndWith('data: [DONE]\n\n');
  });

  test('fallbacks are used in their order, each with its own model name', async () => {
    left.respond(broken);
    right.respond(broken);
    const seen = spare.requests.length;
    const { by, attempts, text } = await ask('with-fallbacks');
    expect([by, attempts]).toEqual(['spare', '3']);
    expect(JSON.parse(text).model).toBe('with-fallbacks');
    expect(left.requests.at(-1)?.json()).toMatchObject({ model: 'left-model' });
    expect(right.requests.at(-1)?.json()).toMatchObject({ model: 'right-model' });
    expect(spare.requests[seen]?.json()).toMatchObject({ model: 'deep' });
    expect((await ask('circle-free')).by).toBe('left');
  });

  test('what the upstream refuses, it alone refuses', async () => {
    for (const code of [400, 403, 404, 413, 422]) {
      left.respond(
        status(code, { error: { message: 'Not like this.', type: 'invalid_request_error', code: 'nope' } }),
      );
      const answered = spread(async () => {
        const response = await post(gateway, chat({ model: 'with-fallbacks' }));
        const error = await expectError(response, code, 'nope');
        expect(error.message).toBe('Not like this.');
        expect(response.headers.get('x-weir-attempts')).toBe('1');
      });
      expect(await answered).toEqual([1, 0, 0]);
    }
  });

  test('when all fail, the message lists each', async () => {
    left.respond(status(500, { error: { message: 'Left is broken.' } }));
    right.respond(status(429, { error: { message: 'Right is busy.' } }, { 'retry-after': '4' }));
    spare.respond(status(503, { error: { message: 'Spare is full.' } }));
    const response = await post(gateway, chat({ model: 'with-fallbacks' }));
    const error = await expectError(response, 503, 'upstream_overloaded');
    expect(error.message).toContain('All 3 targets failed');
    for (const part of [
      'left/left-model',
      'Left is broken.',
      'right/right-model',
      'Right is busy.',
      'spare/deep',
      'Spare is full.',
    ]) {
      expect(error.message).toContain(part);
    }
    expect(response.headers.get('x-weir-attempts')).toBe('3');
    const closed = await expectError(
      await post(gateway, chat({ model: 'both-closed' })),
      502,
      'upstream_unreachable',
    );
    expect(closed.message).toContain('closed/a');
    expect(closed.message).toContain('closed/b');
  });

  test('a deadline is not spent twice', async () => {
    left.respond({ raw: [], ending: 'hang' });
    const sent = await spread(async () => {
      const response = await post(gateway, chat({ model: 'with-fallbacks' }), {
        headers: { 'x-weir-timeout': '150ms' },
      });
      await expectError(response, 504, 'deadline_exceeded');
    });
    expect(sent).toEqual([1, 0, 0]);
  });
});

test('once the answer has begun, a failure leads to no other target', async () => {
  const scripts = [
    truncatedStream(streamPieces('Hel').slice(0, 1)),
    eventStream([
      ...streamPieces('Hel').slice(0, 1),
      ...dataEvents([{ error: { message: 'Overloaded.', code: 503 } }]),
    ]),
  ];
  for (const script of scripts) {
    left.respond(script);
    const sent = await spread(async () => {
      const response = await post(gateway, chat({ model: 'with-fallbacks', stream: true }));
      expect(response.headers.get('x-weir-provider')).toBe('left');
      const data = eventData(await response.bytes());
      expect(data[0]).toContain('Hel');
      expect(data).not.toContain('[DONE]');
      errorIn(JSON.parse(data.at(-1) ?? ''));
    });
    expect(sent).toEqual([1, 0, 0]);
  }
});

describe('names', () => {
  test.each([
    ['a model', 'named', 'left', 'left-model'],
    ['an alias', 'nick', 'left', 'left-model'],
    ['an alias with a slash', 'the/alias', 'left', 'left-model'],
    ['a provider and its model', 'right/any-model', 'right', 'any-model'],
    ['a provider and a model with slashes', 'right/org/any:tag', 'right', 'org/any:tag'],
    ['what a provider is configured with', 'listed/model', 'spare', 'listed/model'],
  ])('%s: %s', async (_, name, by, upstreamModel) => {
    const mock = { left, right, spare }[by];
    for (const stream of [false, true]) {
      const response = await post(gateway, chat({ model: name, stream }));
      expect(response.status).toBe(200);
      expect(response.headers.get('x-weir-provider')).toBe(by);
      expect(response.headers.get('x-weir-model')).toBe(upstreamModel);
      expect(mock?.requests.at(-1)?.json()).toMatchObject({ model: upstreamModel });
      // The client reads the name that it sent, whatever the upstream calls itself.
      const bytes = await response.bytes();
      const objects = stream ? eventJson(bytes) : [JSON.parse(new TextDecoder().decode(bytes))];
      expect(objects.length).toBeGreaterThan(0);
      for (const object of objects) expect(object).toMatchObject({ model: name });
    }
  });

  test.each(['nobody/model', 'right/', '/model', 'NAMED'])('no such model: %s', async (name) => {
    const sent = await spread(async () => {
      await expectError(await post(gateway, chat({ model: name })), 404, 'model_not_found');
    });
    expect(sent).toEqual([0, 0, 0]);
  });

  test('all are listed, and each can be looked up', async () => {
    const sdk = gateway.openai();
    const listed = (await sdk.models.list()).data.map(({ id }) => id);
    for (const name of ['named', 'nick', 'the/alias', 'in-turn', 'listed/model', 'simulator']) {
      expect(listed).toContain(name);
    }
    expect(new Set(listed).size).toBe(listed.length);
    expect((await sdk.models.retrieve('named')).owned_by).toBe('left');
    expect((await sdk.models.retrieve('right/any-model')).id).toBe('right/any-model');
  });
});

test('attempts are counted by provider, with why they failed', async () => {
  left.respond(eventStream(dataEvents([chunk({ content: 'x' })])));
  await ask('with-fallbacks', { stream: true });
  const page = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
  expect(page).toMatch(/^llm_provider_requests_total\{provider="left"\} \d+$/m);
  expect(page).toMatch(/^llm_provider_errors_total\{provider="left",code="upstream_error"\} \d+$/m);
  expect(page).toMatch(/^llm_provider_errors_total\{provider="closed",code="upstream_unreachable"\} \d+$/m);
});
