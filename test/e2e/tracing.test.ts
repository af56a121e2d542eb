import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { hang, status } from '../support/scripts.ts';
import { chat, completion, eventually, mockConfig, post, provider, streamed } from './harness.ts';

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  readonly status: { readonly code: number; readonly message?: string };
}

/** A collector of OTLP over HTTP. */
class Collector {
  readonly bodies: { readonly headers: IncomingHttpHeaders; readonly path: string; readonly body: Buffer }[] =
    [];
  status = 200;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const { headers, url = '' } = request;
        if (this.status === 200) this.bodies.push({ headers, path: url, body: Buffer.concat(parts) });
        response.writeHead(this.status).end();
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return `http://127.0.0.1:${address.port}`;
  }

  get spans(): OtlpSpan[] {
    return this.bodies.flatMap(({ body }) => {
      const { resourceSpans } = JSON.parse(body.toString('utf8'));
      return resourceSpans.flatMap(({ scopeSpans }: { scopeSpans: { spans: OtlpSpan[] }[] }) =>
        scopeSpans.flatMap(({ spans }) => spans),
      );
    });
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const collector = new Collector();
const endpoint = await collector.start();
afterAll(() => collector.close());
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  collector.bodies.length = 0;
  collector.status = 200;
});

async function start(
  tracing: Readonly<Record<string, unknown>> = {},
  more: (url: string) => Readonly<Record<string, unknown>> = () => ({}),
): Promise<{ gateway: Gateway; mock: MockUpstream }> {
  const mock = await startMockUpstream();
  closers.push(() => mock.close());
  const gateway = await startGateway({
    config: mockConfig(mock.url, {
      tracing: { endpoint, protocol: 'http/json', ...tracing },
      ...more(mock.url),
    }),
  });
  closers.push(() => gateway.stop());
  return { gateway, mock };
}

const attributesOf = ({ attributes }: OtlpSpan): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';

describe('a trace', () => {
  test('of a request with a retry, a hedge and a fallback has every span with its parent', async () => {
    const { gateway, mock } = await start({}, (url) => ({
      providers: ['a', 'b', 'c'].map((id) => provider({ id, url })),
      models: [
        {
          id: 'chat',
          targets: [{ provider: 'a', model: 'first' }],
          fallbacks: ['second'],
        },
        {
          id: 'second',
          targets: [
            { provider: 'b', model: 'left' },
            { provider: 'c', model: 'right' },
          ],
          strategy: 'round-robin',
          hedge: { after: '50ms', percent: 100 },
        },
      ],
      routing: { retry: { attempts: 6, base: '1ms' }, cool_down: { max: '0s' }, health: { interval: null } },
    }));
    const calls = new Map<string, number>();
    let hung = 0;
    mock.respondAlways((request) => {
      if (request.method !== 'POST') return status(200, { data: [] });
      const { model } = JSON.parse(request.text());
      const count = (calls.get(model) ?? 0) + 1;
      calls.set(model, count);
      // In the first round everything fails.
      if (model === 'first' || count === 1) return status(500, { error: { message: 'down' } });
      // In the second one, the first of the two is silent, and the other one is asked in addition.
      hung += 1;
      return hung === 1 ? hang() : streamed('Hel', 'lo.');
    });
    const response = await post(gateway, chat({ stream: true }), {
      headers: { traceparent: `00-${TRACE}-${CALLER}-01`, tracestate: 'vendor=1' },
    });
    expect(response.status).toBe(200);
    await response.text();
    await eventually('the spans are there', () => collector.spans.length > 0, 10_000);
    const { spans } = collector;
    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
    const [root, ...others] = spans;
    expect(root).toMatchObject({ name: 'POST /v1/chat/completions', kind: 2, parentSpanId: CALLER });
    expect(others.every(({ parentSpanId }) => parentSpanId === root?.spanId)).toBe(true);
    const attempts = spans.filter(({ kind }) => kind === 3);
    expect(attempts.filter(({ name }) => name === 'chat first')).toHaveLength(2);
    const outcomes = attempts.map((span) => attributesOf(span)['weir.attempt.outcome']);
    expect(outcomes).toEqual(['failed', 'failed', 'failed', 'failed', 'stopped', 'done']);
    for (const attempt of attempts.filter(({ name }) => name === 'chat first')) {
      expect(attempt.status.code).toBe(2);
      expect(attributesOf(attempt)).toMatchObject({
        'error.type': 'upstream_error',
        'http.response.status_code': 500,
        'gen_ai.operation.name': 'chat',
        'weir.provider': 'a',
      });
    }
    const winner = attempts.find((span) => attributesOf(span)['weir.attempt.responded'] === true);
    expect(winner?.name).toMatch(/^chat (?:left|right)$/);
    expect(winner && attributesOf(winner)).toMatchObject({
      'gen_ai.response.finish_reasons': expect.anything(),
      'server.address': '127.0.0.1',
    });
    for (const span of spans) {
      expect(BigInt(span.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(span.startTimeUnixNano));
      expect(BigInt(span.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(root?.startTimeUnixNano ?? 0));
    }
    expect(others.map(({ name }) => name)).toContain('limits');

    // Upstreams received the spans of their attempts.
    const sent = mock.requests.filter(({ method }) => method === 'POST');
    const ids = new Set(attempts.map(({ spanId }) => spanId));
    for (const { headers } of sent) {
      const [, traceId, spanId = '', flags] = String(headers.get('traceparent')).split('-');
      expect([traceId, ids.has(spanId), flags, headers.get('tracestate')]).toEqual([
        TRACE,
        true,
        '01',
        'vendor=1',
      ]);
    }
    expect(new Set(sent.map(({ headers }) => headers.get('traceparent'))).size).toBe(sent.length);
    const line = gateway.logs().find(({ msg }) => msg === 'request');
    expect(line?.trace_id).toBe(TRACE);
  }, 30_000);

  test('without a caller has an id of its own; garbage counts as none', async () => {
    const { gateway, mock } = await start();
    mock.respondAlways(completion());
    for (const traceparent of ['', 'garbage', `00-${'0'.repeat(32)}-${CALLER}-01`]) {
      await (await post(gateway, chat(), { headers: { traceparent } })).text();
    }
    await eventually(
      'the spans are there',
      () => collector.spans.filter(({ kind }) => kind === 2).length === 3,
      10_000,
    );
    const roots = collector.spans.filter(({ kind }) => kind === 2);
    expect(new Set(roots.map(({ traceId }) => traceId)).size).toBe(3);
    expect(roots.every(({ parentSpanId = '' }) => parentSpanId === '')).toBe(true);
  }, 30_000);

  test('of a stream ends with it, and has no text of the messages', async () => {
    const { gateway, mock } = await start();
    mock.respondAlways(streamed('secret words', ' of the answer'));
    const body = chat({ stream: true, messages: [{ role: 'user', content: 'a secret question' }] });
    await (await post(gateway, body)).text();
    await eventually('the spans are there', () => collector.spans.length > 0, 10_000);
    const text = JSON.stringify(collector.spans);
    expect(text).not.toContain('secret');
    expect(text).not.toContain(gateway.adminKey);
    expect(text).toContain('"weir.stream"');
  }, 30_000);

  test('has a span for each guardrail, with what it decided', async () => {
    const { gateway, mock } = await start({}, () => ({
      guardrails: [
        { id: 'pii', kind: 'pii', action: 'redact', version: 'v2' },
        { id: 'attacks', kind: 'injection', on: ['input'], action: 'block' },
      ],
    }));
    mock.respondAlways(completion());
    await (
      await post(gateway, chat({ messages: [{ role: 'user', content: 'I am jo@example.com' }] }))
    ).text();
    const named = (name: string) => collector.spans.filter((span) => span.name === name);
    await eventually('the spans are there', () => named('guardrail attacks').length > 0, 10_000);
    expect(named('guardrail pii').map(attributesOf)).toContainEqual(
      expect.objectContaining({
        'weir.guardrail.version': 'v2',
        'weir.guardrail.direction': 'input',
        'weir.guardrail.outcome': 'redact',
      }),
    );
    expect(named('guardrail attacks').map(attributesOf)).toMatchObject([
      { 'weir.guardrail.outcome': 'allow' },
    ]);
    expect(JSON.stringify(collector.spans)).not.toContain('jo@example.com');
  }, 30_000);
});

describe('sampling', () => {
  test('keeps failed requests, and those whose caller samples', async () => {
    const { gateway, mock } = await start({ sampler: 'parentbased_always_off' });
    mock.respondAlways(completion());
    for (let count = 0; count < 20; count += 1) await (await post(gateway, chat())).text();
    await (await post(gateway, chat(), { headers: { traceparent: `00-${TRACE}-${CALLER}-01` } })).text();
    mock.respondAlways(status(400, { error: { message: 'no' } }));
    await (await post(gateway, chat())).text();
    const roots = () => collector.spans.filter(({ kind }) => kind === 2);
    await eventually('the spans are there', () => roots().length === 2, 10_000);
    expect(roots().map((span) => attributesOf(span)['weir.outcome'])).toEqual(['done', 'failed']);
    const { headers } = mock.requests.filter(({ method }) => method === 'POST')[0] ?? {};
    expect(String(headers?.get('traceparent'))).toEndWith('-00');
  }, 30_000);

  test('can keep nothing, and tell upstreams nothing', async () => {
    const { gateway, mock } = await start({
      sampler: 'always_off',
      keep: { errors: false, slower_than: null },
      propagate: false,
    });
    mock.respondAlways(status(400, { error: { message: 'no' } }));
    await (await post(gateway, chat())).text();
    await gateway.stop();
    expect(collector.bodies).toEqual([]);
    expect(mock.requests.every(({ headers }) => headers.get('traceparent') === null)).toBe(true);
  }, 30_000);
});

test('protobuf is the default, to the path and with the headers of the variables', async () => {
  const mock = await startMockUpstream();
  closers.push(() => mock.close());
  mock.respondAlways(completion());
  const gateway = await startGateway({
    config: mockConfig(mock.url),
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc,x-team=a',
      OTEL_SERVICE_NAME: 'my-gateway',
    },
  });
  closers.push(() => gateway.stop());
  await (await post(gateway, chat(), { headers: { traceparent: `00-${TRACE}-${CALLER}-01` } })).text();
  await eventually('the spans are there', () => collector.bodies.length > 0, 10_000);
  const [{ headers, path, body } = { headers: {}, path: '', body: Buffer.alloc(0) }] = collector.bodies;
  expect([path, headers['content-type'], headers.authorization, headers['x-team']]).toEqual([
    '/v1/traces',
    'application/x-protobuf',
    'Bearer abc',
    'a',
  ]);
  expect(body.includes(Buffer.from(TRACE, 'hex'))).toBe(true);
  expect(body.includes('my-gateway')).toBe(true);
}, 30_000);

test('a collector that rejects or is away costs spans, and no request', async () => {
  const { gateway, mock } = await start();
  mock.respondAlways(completion());
  collector.status = 401;
  for (let count = 0; count < 50; count += 1) {
    expect((await post(gateway, chat())).status).toBe(200);
  }
  await eventually(
    'the loss is counted',
    async () => {
      const page = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
      return /^weir_trace_spans_lost_total\{reason="rejected"\} [1-9]/m.test(page);
    },
    10_000,
  );
  await gateway.waitForOutput(/spans of traces were lost/);
}, 30_000);
