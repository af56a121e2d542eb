import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { joinBytes } from '../support/bytes.ts';
import { eventData, parseEventStream } from '../support/event-stream.ts';
import { createGate } from '../support/gate.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import {
  type MockUpstream,
  type Responder,
  refusedUrl,
  startMockUpstream,
} from '../support/mock-upstream.ts';
import {
  closeBeforeResponse,
  dataEvents,
  eventStream,
  garbage,
  halfBody,
  hang,
  hangAfter,
  html,
  json,
  redirect,
  resetAfter,
  type Script,
  status,
  truncatedStream,
} from '../support/scripts.ts';
import {
  chat,
  chunk,
  completion,
  type ErrorBody,
  errorIn,
  eventually,
  expectError,
  metric,
  mockConfig,
  post,
  provider,
  streamPieces,
  UPSTREAM_KEY,
} from './harness.ts';

const FIRST_TOKEN_MS = 300;
let mock: MockUpstream;
let elsewhere: MockUpstream;
let gateway: Gateway;
/** With short times for first events and between events; the other one never times out. */
let impatient: Gateway;
/** Everything that clients received in this file, to be searched for secrets and stacks. */
const told: string[] = [];

beforeAll(async () => {
  mock = await startMockUpstream();
  elsewhere = await startMockUpstream();
  gateway = await startGateway({
    config: mockConfig(mock.url, {
      providers: [
        provider({ id: 'mock', url: mock.url }),
        provider({ id: 'closed', url: await refusedUrl() }),
      ],
    }),
  });
  impatient = await startGateway({
    config: mockConfig(mock.url, {
      limits: { first_token: `${FIRST_TOKEN_MS}ms`, stream_idle: '300ms' },
    }),
  });
});

afterAll(async () => {
  await Promise.all([gateway?.stop(), impatient?.stop()]);
  await mock?.close();
  await elsewhere?.close();
});

afterEach(async () => {
  // Whatever happened: the next request is answered, and nothing is left open.
  mock.respond(completion('Still here.'));
  expect((await post(gateway, chat())).status).toBe(200);
  await mock.waitForOpen(0);
});

interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

async function ask(body: string, headers: Record<string, string> = {}, at = gateway): Promise<Told> {
  const response = await post(at, body, { headers });
  const bytes = await response.bytes();
  told.push(JSON.stringify([...response.headers]), new TextDecoder().decode(bytes));
  return { status: response.status, headers: response.headers, bytes };
}

interface FailureOptions {
  readonly stream?: boolean;
  readonly headers?: Record<string, string>;
  readonly at?: Gateway;
}

/** Answers a request with the script; the client must get this status and code. */
async function failsWith(
  script: Responder,
  wanted: readonly [status: number, code: string],
  { stream = false, headers = {}, at = gateway }: FailureOptions = {},
): Promise<ErrorBody & { readonly headers: Headers }> {
  mock.respond(script);
  const answer = await ask(chat({ stream }), headers, at);
  const error = errorIn(JSON.parse(new TextDecoder().decode(answer.bytes)));
  expect([answer.status, error.code, error.message]).toEqual([...wanted, error.message]);
  expect(answer.headers.get('content-type')).toStartWith('application/json');
  expect(answer.headers.get('x-weir-provider')).toBe('mock');
  expect(answer.headers.get('x-weir-attempts')).toBe('1');
  return { ...error, headers: answer.headers };
}

/** A stream that begins well must end in an error event of this code, and without `[DONE]`. */
async function breaksWith(script: Responder, code: string, at = gateway): Promise<ErrorBody> {
  mock.respond(script);
  const answer = await ask(chat({ stream: true }), {}, at);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toStartWith('text/event-stream');
  const data = eventData(answer.bytes);
  expect(parseEventStream(answer.bytes).unterminated).toBe(false);
  expect(data[0]).toContain('"Hel"');
  expect(data).not.toContain('[DONE]');
  const error = errorIn(JSON.parse(data.at(-1) ?? ''));
  expect([error.code, error.message]).toEqual([code, error.message]);
  return error;
}

const begun = (...more: string[]) => [...streamPieces('Hel', 'lo').slice(0, 2), ...more];

describe('no answer', () => {
  test('a closed port', async () => {
    for (const stream of [false, true]) {
      const response = await post(gateway, chat({ model: 'closed/some-model', stream }));
      const error = await expectError(response, 502, 'upstream_unreachable');
      expect(error.message).toContain('"closed"');
      expect(response.headers.get('x-weir-provider')).toBe('closed');
    }
  });

  test.each([false, true])('silence until the deadline of the request (stream: %p)', async (stream) => {
    await failsWith(hang(), [504, 'deadline_exceeded'], { stream, headers: { 'x-weir-timeout': '100ms' } });
  });

  test('a head and then silence until the deadline', async () => {
    const script = {
      headers: { 'content-type': 'application/json' },
      body: '{"id":',
      missingBytes: 9,
      ending: 'hang',
    } as const;
    await failsWith(script, [504, 'deadline_exceeded'], { headers: { 'x-weir-timeout': '100ms' } });
  });

  test('silence before the first event of a stream', async () => {
    await failsWith(hang(), [504, 'upstream_timeout'], { stream: true, at: impatient });
    await failsWith(hangAfter([': comment, not an event\n\n']), [504, 'upstream_timeout'], {
      stream: true,
      at: impatient,
    });
  });

  test('a plain answer may take longer than a first event', async () => {
    const gate = createGate();
    mock.respond({ ...completion('Late.'), gate, holdHead: true });
    const answer = post(impatient, chat());
    const { receivedAtMs } = await mock.waitForRequest(mock.requests.length + 1);
    await eventually(
      'the time of a first event is over',
      () => performance.now() > receivedAtMs + FIRST_TOKEN_MS + 100,
    );
    gate.open();
    expect((await answer).status).toBe(200);
  });

  test.each([false, true])('a close before the response (stream: %p)', async (stream) => {
    // A connection that was kept alive may have been closed by chance; the request is then sent once more.
    mock.closeIdleConnections();
    await mock.waitForConnections(0);
    await failsWith(closeBeforeResponse(), [502, 'upstream_closed'], { stream });
  });
});

describe('broken answers', () => {
  const plain: readonly (readonly [string, Script, string])[] = [
    ['half a body', halfBody('{"id":"x","choices":['), 'upstream_closed'],
    ['a reset in the body', { body: '{"id":', missingBytes: 100, ending: 'reset' }, 'upstream_closed'],
    ['chunks without their end', { pieces: ['{"id":'], ending: 'close' }, 'upstream_closed'],
    ['bytes that are not HTTP', garbage(), 'upstream_invalid_response'],
    ['HTML with status 200', html(200), 'upstream_invalid_response'],
    ['HTML with status 502', html(502), 'upstream_error'],
    [
      'an empty body',
      { headers: { 'content-type': 'application/json' }, body: '' },
      'upstream_invalid_response',
    ],
    ['no content', { status: 204 }, 'upstream_invalid_response'],
    ['JSON that is no object', json([]), 'upstream_invalid_response'],
    ['an object that is no answer', json({ ok: true }), 'upstream_invalid_response'],
    ['text that is not UTF-8', { body: new Uint8Array([0x7b, 0xff, 0x7d]) }, 'upstream_invalid_response'],
    [
      'a bad chunk size',
      { raw: ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n'], ending: 'close' },
      'upstream_invalid_response',
    ],
  ];
  test.each(plain)('%s', async (_, script, code) => {
    const error = await failsWith(script, [502, code]);
    expect(error.message).not.toContain('<');
  });

  test('a head without an end is cut off', async () => {
    const line = `x-filler: ${'y'.repeat(1_000)}\r\n`;
    await failsWith(
      { raw: ['HTTP/1.1 200 OK\r\n', ...Array.from({ length: 2_000 }, () => line)], ending: 'hang' },
      [502, 'upstream_invalid_response'],
    );
  });

  test('a redirect is not followed', async () => {
    for (const code of [301, 302, 303, 307, 308]) {
      const error = await failsWith(redirect(`${elsewhere.url}/v1/chat/completions`, code), [
        502,
        'upstream_invalid_response',
      ]);
      expect(error.message).toContain('redirect');
      expect(error.message).not.toContain(elsewhere.url);
    }
    expect(elsewhere.acceptedConnections()).toBe(0);
  });

  test('an error object with status 200', async () => {
    const error = await failsWith(
      json({ error: { message: 'Out of cards.', type: 'server_error', code: null } }),
      [502, 'upstream_error'],
    );
    expect(error.message).toContain('Out of cards.');
    const coded = await failsWith(json({ error: { message: 'Busy.', code: 429 } }), [
      429,
      'upstream_rate_limited',
    ]);
    expect(coded.message).toContain('Busy.');
  });
});

describe('errors that the upstream names', () => {
  test.each([
    [500, 502, 'upstream_error'],
    [502, 502, 'upstream_error'],
    [503, 503, 'upstream_overloaded'],
    [504, 504, 'upstream_timeout'],
    [529, 503, 'upstream_overloaded'],
  ])('%d becomes %d %s', async (upstream, shown, code) => {
    for (const stream of [false, true]) {
      const error = await failsWith(
        status(upstream, { error: { message: 'Broken.', type: 'server_error' } }),
        [shown, code],
        { stream },
      );
      expect(error.message).toContain('Broken.');
    }
  });

  test('Retry-After is understood in all its forms', async () => {
    const limited = (headers: Record<string, string>) =>
      failsWith(
        status(
          429,
          { error: { message: 'Slow down.', type: 'requests', code: 'rate_limit_exceeded' } },
          headers,
        ),
        [429, 'rate_limit_exceeded'],
      );
    expect((await limited({ 'retry-after': '7' })).headers.get('retry-after')).toBe('7');
    expect((await limited({ 'retry-after-ms': '1500', 'retry-after': '9' })).headers.get('retry-after')).toBe(
      '2',
    );
    expect((await limited({})).headers.get('retry-after')).toBe('1');
    expect((await limited({ 'retry-after': 'soon' })).headers.get('retry-after')).toBe('1');
    const inAnHour = new Date(Date.now() + 3_600_000).toUTCString();
    const seconds = Number((await limited({ 'retry-after': inAnHour })).headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(3_500);
    expect(seconds).toBeLessThanOrEqual(3_601);
    const overloaded = await failsWith(status(503, {}, { 'retry-after': '11' }), [
      503,
      'upstream_overloaded',
    ]);
    expect(overloaded.headers.get('retry-after')).toBe('11');
  });

  test("a refused credential is the gateway's trouble, and is not shown", async () => {
    const message = `Incorrect API key provided: sk-upst***********cdef (${UPSTREAM_KEY}).`;
    const refusal = status(
      401,
      { error: { message, type: 'invalid_request_error', code: 'invalid_api_key' } },
      { 'x-echo': UPSTREAM_KEY },
    );
    for (const stream of [false, true]) {
      const error = await failsWith(refusal, [502, 'upstream_auth_failed'], { stream });
      expect(error.message).toContain('Incorrect API key provided: [redacted] ([redacted]).');
      expect(error.headers.get('x-should-retry')).toBe('false');
    }
    await failsWith(json({ error: { message, code: 'invalid_api_key' } }), [502, 'invalid_api_key']);
    await breaksWith(eventStream(begun(...dataEvents([{ error: { message } }]))), 'upstream_error');
  });

  test("a rejected request is forwarded with the provider's own words", async () => {
    const own = {
      message: 'Too long: 9000 tokens.',
      type: 'invalid_request_error',
      code: 'context_length_exceeded',
      param: 'messages',
      detail: { limit: 8192 },
    };
    for (const stream of [false, true]) {
      mock.respond(status(400, { error: own }));
      const answer = await ask(chat({ stream }));
      expect(answer.status).toBe(400);
      expect(JSON.parse(new TextDecoder().decode(answer.bytes))).toEqual({ error: own });
    }
    const shapeless = await failsWith(status(422, { detail: 'no' }), [422, 'upstream_rejected']);
    expect(shapeless.message).toBe('no');
    const text = await failsWith({ status: 413, body: 'Payload Too Large' }, [413, 'upstream_rejected']);
    expect(text.message).toBe('Payload Too Large');
  });

  test('absent members of an error object become what SDKs can read', async () => {
    mock.respond(status(400, { error: { message: 'No.', type: null, code: 400, param: 'None' } }));
    const answer = await ask(chat());
    const error = errorIn(JSON.parse(new TextDecoder().decode(answer.bytes)));
    expect(error).toEqual({ message: 'No.', type: 'invalid_request_error', code: '400', param: null });
  });
});

describe('streams before their first event', () => {
  test('an error event becomes the status', async () => {
    const overloaded = dataEvents([{ error: { message: 'Overloaded.', type: 'overloaded_error' } }]);
    await failsWith(eventStream(overloaded), [503, 'upstream_overloaded'], { stream: true });
    await failsWith(
      eventStream([': hi\n\n', 'event: error\ndata: {"error":{"message":"No.","code":500}}\n\n']),
      [502, 'upstream_error'],
      { stream: true },
    );
  });

  test.each([
    ['a close', truncatedStream([])],
    ['an end', eventStream([])],
    ['only [DONE]', eventStream(dataEvents([]))],
    ['only comments', eventStream([': a\n\n', ': b\n\n'])],
  ])('%s is a failure', async (_, script) => {
    await failsWith(script, [502, 'upstream_closed'], { stream: true });
  });

  test('an event that is not JSON', async () => {
    await failsWith(eventStream(['data: {"id":\n\n']), [502, 'upstream_invalid_response'], { stream: true });
  });
});

describe('streams that break', () => {
  test.each([
    [
      'an error event',
      eventStream(begun(...dataEvents([{ error: { message: 'Boom.', code: 500 } }]))),
      'upstream_error',
    ],
    [
      'malformed JSON',
      eventStream(begun('data: {"id": oops}\n\n', ...streamPieces('more'))),
      'upstream_invalid_response',
    ],
    ['an event that is a list', eventStream(begun('data: [1]\n\n')), 'upstream_invalid_response'],
    [
      'bytes that are not UTF-8',
      eventStream([...begun(), new Uint8Array([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 10, 10])]),
      'upstream_invalid_response',
    ],
    ['a close', truncatedStream(begun()), 'upstream_closed'],
    ['an end without a finish reason', eventStream(begun()), 'upstream_closed'],
    [
      'a broken chunk',
      {
        raw: [
          'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n',
          ...begun().map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`),
          'zz\r\n',
        ],
        ending: 'hang',
      },
      'upstream_invalid_response',
    ],
  ] satisfies [string, Script, string][])(
    '%s becomes an error event, and no [DONE]',
    async (_, script, code) => {
      await breaksWith(script, code);
    },
  );

  test('silence becomes an error event', async () => {
    await breaksWith(hangAfter(begun()), 'upstream_timeout', impatient);
  });

  test('a reset becomes an error event', async () => {
    const gate = createGate();
    mock.respond(resetAfter(begun(), gate));
    gate.release(2);
    const response = await post(gateway, chat({ stream: true }));
    const parts: Uint8Array[] = [];
    // A reset may overtake what was sent before it, so it comes only when that has been read.
    for await (const part of response.body ?? []) {
      parts.push(part);
      if (eventData(joinBytes(parts)).length === 2) gate.release();
    }
    const data = eventData(joinBytes(parts));
    expect(data.length).toBe(3);
    expect(errorIn(JSON.parse(data[2] ?? '')).code).toBe('upstream_closed');
  });

  test('an event without an end is cut off', async () => {
    const filler = new Uint8Array(1024 * 1024).fill(0x78);
    const endless: Script = {
      raw: [
        'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n',
        ...begun('data: {"filler":"'),
        ...Array.from({ length: 40 }, () => filler),
      ],
      ending: 'hang',
    };
    await breaksWith(endless, 'upstream_invalid_response');
  }, 20_000);

  test('a stream without [DONE] but with a finish reason is complete', async () => {
    mock.respond(
      eventStream(dataEvents([chunk({ content: 'Hel' }), chunk({ finish: 'stop' })], { done: false })),
    );
    const answer = await ask(chat({ stream: true }));
    expect(eventData(answer.bytes).at(-1)).toBe('[DONE]');
  });
});

test('a request that finds no free connection waits, and then fails with the reason', async () => {
  const gate = createGate();
  const settings = { upstream: { max_connections: 1 }, connect_timeout: '300ms' };
  const narrow = await startGateway({
    config: mockConfig(mock.url, { providers: [provider({ id: 'mock', url: mock.url, settings })] }),
  });
  try {
    mock.respond({ ...completion('First.'), gate, holdHead: true }, completion('Third.'));
    const first = post(narrow, chat());
    await eventually('the first request holds the connection', async () => gate.waiting() > 0);
    const error = await expectError(await post(narrow, chat()), 504, 'upstream_timeout');
    expect(error.message).toContain('all 1 are in use ("upstream.max_connections")');
    const third = post(narrow, chat());
    gate.open();
    expect([(await first).status, (await third).status]).toEqual([200, 200]);
  } finally {
    gate.open();
    await narrow.stop();
  }
});

test('no client received a secret or a stack, and nothing was a defect', async () => {
  await eventually('no request is left', async () => (await metric(gateway, 'llm_requests_in_flight')) === 0);
  await gateway.waitForOutput(/"error":"upstream_auth_failed"/);
  const everything = [...told, gateway.stdout(), gateway.stderr()].join('\n');
  expect(everything).not.toContain(UPSTREAM_KEY);
  expect(everything).not.toContain('sk-upst');
  expect(everything).not.toMatch(/\.ts:\d+:\d+/);
  expect(gateway.logs().filter(({ level }) => level === 'error')).toEqual([]);
  expect(gateway.stderr()).toBe('');
});
