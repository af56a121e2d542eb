import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { parseEventStream, type ServerSentEvent } from '../support/event-stream.ts';
import { dataEvents, eventStream, json, status, truncatedStream } from '../support/scripts.ts';
import { createApiKey } from './helpers/api-key.ts';
import { completion, delta, finish, text, USAGE, usageOnly } from './helpers/chunks.ts';
import { asObject, type Json } from './helpers/json.ts';
import { ALIAS, nextRequest, type Pair, startPair, UPSTREAM_MODEL } from './helpers/pair.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'weir-test-native-'));
let pair: Pair;
let apiKey: string;
beforeAll(async () => {
  apiKey = createApiKey(dataDir, 'app');
  pair = await startPair(() => ({}), { dataDir });
});
afterAll(async () => {
  const { unscripted } = pair.mock;
  await pair.stop();
  rmSync(dataDir, { recursive: true });
  expect(unscripted).toEqual([]);
});

const usage = { input_tokens: USAGE.prompt_tokens, output_tokens: USAGE.completion_tokens };
const withoutKey = (path: string, init?: RequestInit) => fetch(`${pair.gateway.url}${path}`, init);

async function errorOf(response: Response): Promise<Json> {
  return asObject(asObject(await response.json()).error);
}

describe('POST /inference', () => {
  test('a prompt in, JSON out', async () => {
    const arrived = nextRequest(pair.mock);
    pair.mock.respond(json(completion()));
    const response = await pair.post('/inference', {
      model: ALIAS,
      prompt: 'Say hello.',
      system: 'Be brief.',
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-weir-provider')).toBe('up');
    expect(response.headers.get('x-weir-model')).toBe(UPSTREAM_MODEL);
    expect(await response.json()).toEqual({
      id: response.headers.get('x-request-id'),
      model: ALIAS,
      text: 'Hello.',
      finish_reason: 'stop',
      usage,
    });
    expect((await arrived).json()).toEqual({
      model: UPSTREAM_MODEL,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Say hello.' },
      ],
    });
  });

  test('bare text for who asks for it', async () => {
    pair.mock.respond(json(completion({ role: 'assistant', content: 'Grüße, 世界' })));
    const response = await pair.post('/inference', { prompt: 'a' }, { accept: 'text/plain' });
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await response.text()).toBe('Grüße, 世界');
  });

  test('an answer without text is an empty one', async () => {
    pair.mock.respond(json(completion({ role: 'assistant', content: null, refusal: 'No.' })));
    expect(await (await pair.post('/inference', { prompt: 'a' })).json()).toMatchObject({ text: '' });
  });

  test('the default model answers prompts that name none', async () => {
    pair.mock.respond(json(completion()));
    expect(await (await pair.post('/inference', { prompt: 'a' })).json()).toMatchObject({ model: ALIAS });
  });

  test('fields that are not its own go on', async () => {
    const arrived = nextRequest(pair.mock);
    pair.mock.respond(json(completion()));
    const more = { seed: 7, temperature: 0.5, max_tokens: 5, x_vendor: { a: [1.5] } };
    await (await pair.post('/inference', { prompt: 'a', ...more })).json();
    expect((await arrived).json()).toEqual({
      model: UPSTREAM_MODEL,
      messages: [{ role: 'user', content: 'a' }],
      ...more,
    });
  });

  test.each([
    ['no prompt', {}, 'prompt'],
    ['an empty prompt', { prompt: '' }, 'prompt'],
    ['a prompt that is no text', { prompt: ['a'] }, 'prompt'],
    ['a model that is no text', { prompt: 'a', model: 1 }, 'model'],
  ])('%s', async (_, body, param) => {
    const response = await pair.post('/inference', body);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ code: 'invalid_request', param });
  });

  test('a model that does not exist, and no key', async () => {
    const response = await pair.post('/inference', { prompt: 'a', model: 'nobody' });
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toMatchObject({ code: 'model_not_found' });
    const init = { method: 'POST', body: '{"prompt":"a"}' };
    expect((await withoutKey('/inference', init)).status).toBe(401);
  });

  test('an API key is enough', async () => {
    pair.mock.respond(json(completion()));
    const response = await pair.post('/inference', { prompt: 'a' }, { authorization: `Bearer ${apiKey}` });
    expect(response.status).toBe(200);
    await response.json();
  });
});

describe.each(['GET', 'POST'] as const)('%s /stream', (method) => {
  const ask = (query: Readonly<Record<string, string>>) =>
    method === 'GET' ? pair.get(`/stream?${new URLSearchParams(query)}`) : pair.post('/stream', query);
  const read = async (response: Response): Promise<readonly ServerSentEvent[]> => {
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    return parseEventStream(await response.bytes()).events;
  };
  const named = (events: readonly ServerSentEvent[]) =>
    events.map(({ event, data }): [string, unknown] => [event, JSON.parse(data)]);

  test('text as it comes, then how it ended', async () => {
    const arrived = nextRequest(pair.mock);
    pair.mock.respond(
      eventStream([
        ': wait\n\n',
        ...dataEvents([delta({ role: 'assistant' }), text('Grüße'), text(', 世界'), finish(), usageOnly()]),
      ]),
    );
    const events = await read(await ask({ prompt: 'Say hello & more?', system: 'Be brief.' }));
    expect(named(events)).toEqual([
      ['message', { text: 'Grüße' }],
      ['message', { text: ', 世界' }],
      ['done', { finish_reason: 'stop', usage }],
    ]);
    expect((await arrived).json()).toEqual({
      model: UPSTREAM_MODEL,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Say hello & more?' },
      ],
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test('reasoning in events of its own, under either name', async () => {
    const upstream = [
      delta({ reasoning_content: 'Hm. ' }),
      delta({ reasoning: 'So.' }),
      text('Yes.'),
      finish(),
    ];
    pair.mock.respond(eventStream(dataEvents(upstream)));
    expect(named(await read(await ask({ prompt: 'a', model: ALIAS })))).toEqual([
      ['reasoning', { reasoning: 'Hm. ' }],
      ['reasoning', { reasoning: 'So.' }],
      ['message', { text: 'Yes.' }],
      ['done', { finish_reason: 'stop', usage: null }],
    ]);
  });

  test('a failure after the first text is an error event and no done', async () => {
    const broken = dataEvents([text('half'), { error: { message: 'boom', code: 500 } }], { done: false });
    pair.mock.respond(eventStream(broken));
    const events = named(await read(await ask({ prompt: 'a' })));
    expect(events.map(([name]) => name)).toEqual(['message', 'error']);
    expect(asObject(asObject(events[1]?.[1]).error).message).toContain('boom');
  });

  test('a stream that is cut is one too', async () => {
    pair.mock.respond(truncatedStream(dataEvents([text('half')], { done: false })));
    const events = named(await read(await ask({ prompt: 'a' })));
    expect(events.at(-1)).toEqual(['error', { error: expect.objectContaining({ code: 'upstream_closed' }) }]);
  });

  test('a failure before it is a status', async () => {
    pair.mock.respond(status(429, { error: { message: 'slow down' } }, { 'retry-after': '3' }));
    const response = await ask({ prompt: 'a' });
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('3');
    expect(response.headers.get('content-type')).toBe('application/json');
    const missing = await ask({});
    expect(missing.status).toBe(400);
    expect(await errorOf(missing)).toMatchObject({ param: 'prompt' });
  });
});

describe('/v1/models', () => {
  test('the list', async () => {
    const body = asObject(await (await pair.get('/v1/models')).json());
    expect(body.object).toBe('list');
    const models = Array.isArray(body.data) ? body.data.map(asObject) : [];
    expect(models[0]).toEqual({ id: ALIAS, object: 'model', created: expect.any(Number), owned_by: 'up' });
    expect(models.map(({ id }) => id)).toContain('simulator');
    expect((await withoutKey('/v1/models')).status).toBe(401);
  });

  test('one of them, by a name with slashes too, encoded or not', async () => {
    for (const id of [ALIAS, 'simulator', `up/${UPSTREAM_MODEL}`]) {
      expect(await (await pair.get(`/v1/models/${id}`)).json()).toMatchObject({ id, object: 'model' });
      const encoded = await pair.get(`/v1/models/${encodeURIComponent(id)}`);
      expect(await encoded.json()).toMatchObject({ id });
    }
    const missing = await pair.get('/v1/models/house-modle');
    expect(missing.status).toBe(404);
    expect((await errorOf(missing)).message).toContain(`"${ALIAS}"`);
    expect((await withoutKey(`/v1/models/${ALIAS}`)).status).toBe(401);
  });
});

describe('health needs no key', () => {
  test('/health', async () => {
    const response = await withoutKey('/health');
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      status: 'ok',
      version: expect.any(String),
      uptime_seconds: expect.any(Number),
    });
  });

  test('/health lists providers and traffic for the admin key only', async () => {
    expect(await (await pair.get('/health')).json()).toMatchObject({
      status: 'ok',
      requests_in_flight: 0,
      health: 'healthy',
      models: { [ALIAS]: true, simulator: true },
      model_count: expect.any(Number),
      providers: [
        { id: 'up', kind: 'openai-compatible' },
        { id: 'simulator', kind: 'simulator' },
      ],
    });
    for (const key of ['', 'wrong', apiKey]) {
      const response = await fetch(`${pair.gateway.url}/health`, {
        headers: key === '' ? {} : { authorization: `Bearer ${key}` },
      });
      expect(response.status).toBe(200);
      expect(Object.keys(Object(await response.json())).sort()).toEqual([
        'health',
        'status',
        'uptime_seconds',
        'version',
      ]);
    }
  });

  test('/health/live and /health/ready', async () => {
    expect(await (await withoutKey('/health/live')).json()).toEqual({ status: 'alive' });
    expect(await (await withoutKey('/health/ready')).json()).toEqual({ status: 'ready' });
  });
});

describe('/metrics', () => {
  test('for the admin key only', async () => {
    expect((await withoutKey('/metrics')).status).toBe(401);
    const refused = await pair.get('/metrics', { authorization: `Bearer ${apiKey}` });
    expect(refused.status).toBe(403);
    expect(await errorOf(refused)).toMatchObject({ code: 'permission_denied' });
    const page = await pair.get('/metrics');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toStartWith('text/plain; version=0.0.4');
  });

  test('the port of its own needs no key', async () => {
    const page = await fetch(`${pair.gateway.metricsUrl}/metrics`);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('# TYPE http_requests_total counter');
  });

  test('what was asked for is counted, and nothing that clients make up becomes a label', async () => {
    const { mock } = pair;
    mock.respond(eventStream(dataEvents([text('a'), text('b'), finish(), usageOnly()])));
    await (await pair.post('/v1/chat/completions', chat(ALIAS, true))).text();
    mock.respond(json(completion()));
    await (await pair.post('/v1/chat/completions', chat('up/zzz-made-up-model', false))).text();
    mock.respond(status(500, { error: { message: 'boom' } }));
    await (await pair.post('/v1/chat/completions', chat(ALIAS, false))).text();
    for (const model of ['zzz-unknown', 'simulator-zzz', 'simulator:seed=1', `${ALIAS}"},\n`]) {
      await (await pair.post('/v1/chat/completions', chat(model, false))).text();
    }
    await (await pair.get('/zzz-unknown-path')).text();
    await (await withoutKey('/v1/chat/completions', { method: 'ZZZ' })).text();

    const page = await (await pair.get('/metrics')).text();
    expect(page).not.toContain('zzz');
    expect(page).not.toContain('ZZZ');
    const names = [...page.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
    for (const name of EXPECTED_METRICS) expect(names).toContain(name);
    const values = (label: string) =>
      new Set([...page.matchAll(new RegExp(`[{,]${label}="([^"]*)"`, 'g'))].map(([, value]) => value));
    expect([...values('model')].sort()).toEqual(
      [ALIAS, 'simulator', 'simulator/other', 'unknown', 'up/other'].filter((name) =>
        values('model').has(name),
      ),
    );
    expect([...values('model')]).toContain('unknown');
    expect([...values('model')]).toContain('up/other');
    expect([...values('provider')].sort()).toEqual(['none', 'simulator', 'up']);
    for (const route of values('route')) {
      expect(route).toMatch(
        /^(unmatched|\/(v1\/[a-z/]+(:id\{\.\+\})?|inference|stream|health[a-z/]*|metrics))$/,
      );
    }
    expect(page).toMatch(new RegExp(`llm_tokens_total\\{model="${ALIAS}",direction="output"\\} [1-9]`));
    expect(page).toMatch(/llm_provider_errors_total\{provider="up",code="upstream_error"\} [1-9]/);
  });
});

function chat(model: string, stream: boolean): Json {
  return { model, messages: [{ role: 'user', content: 'Hello.' }], stream };
}

const EXPECTED_METRICS = [
  'http_requests_total',
  'http_request_duration_seconds',
  'llm_requests_total',
  'llm_request_duration_seconds',
  'llm_time_to_first_token_seconds',
  'llm_time_per_output_token_seconds',
  'llm_tokens_total',
  'llm_tokens_generated_total',
  'llm_provider_requests_total',
  'llm_provider_errors_total',
  'llm_provider_latency_seconds',
  'llm_rate_limit_exceeded_total',
  'llm_gateway_overhead_seconds',
  'llm_model_info',
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
];

describe('/openapi.json', () => {
  const load = async () => asObject(await (await withoutKey('/openapi.json')).json());

  test('is an OpenAPI 3.1 document whose references resolve', async () => {
    const document = await load();
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info).toMatchObject({ title: 'Weir', version: expect.any(String) });
    const resolve = (reference: string) =>
      reference
        .slice(2)
        .split('/')
        .reduce<unknown>((value, key) => asObject(value)[key.replaceAll('~1', '/')], document);
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      for (const [key, inner] of Object.entries(value)) {
        if (key === '$ref') expect(resolve(String(inner))).toBeDefined();
        walk(inner);
      }
    };
    walk(document);
    for (const item of Object.values(asObject(document.paths))) {
      for (const [method, operation] of Object.entries(asObject(item))) {
        expect(['get', 'post', 'put', 'patch', 'delete']).toContain(method);
        const { summary, responses } = asObject(operation);
        expect(typeof summary).toBe('string');
        const success = Object.entries(asObject(responses)).filter(([status]) => status.startsWith('2'));
        expect(success).toEqual([
          [expect.any(String), expect.objectContaining({ description: expect.any(String) })],
        ]);
      }
    }
  });

  test('is valid by the schema of the specification, with a unique id for each operation', async () => {
    const document = await load();
    const { valid, errors } = await new Validator().validate(document);
    expect([valid, errors]).toEqual([true, undefined]);
    const ids = Object.values(asObject(document.paths)).flatMap((item) =>
      Object.values(asObject(item)).map((operation) => asObject(operation).operationId),
    );
    expect(ids).toContain('postV1ChatCompletions');
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('every route in it exists, and is open or closed as it says', async () => {
    const routes = Object.entries(asObject((await load()).paths)).flatMap(([path, item]) =>
      Object.entries(asObject(item)).map(([method, operation]) => ({
        template: path,
        method: method.toUpperCase(),
        open: Array.isArray(asObject(operation).security),
      })),
    );
    expect(routes.length).toBeGreaterThan(10);
    const idFor = async (template: string) => {
      if (template.startsWith('/admin/v1/requests/')) {
        await pair.post(
          '/inference',
          { model: 'simulator', prompt: 'Hi' },
          { 'x-request-id': 'asked-about' },
        );
        return 'asked-about';
      }
      if (!template.startsWith('/v1/responses/')) return ALIAS;
      const made = await pair.post('/v1/responses', { model: 'simulator', input: 'Say hello.' });
      return String(asObject(await made.json()).id);
    };
    for (const { template, method, open } of routes) {
      const path = template.replace('{id}', await idFor(template));
      const body = ['POST', 'PATCH'].includes(method) ? { body: '{}' } : {};
      const stranger = await withoutKey(path, { method, ...body });
      // Who signs in has no key yet, but something to say.
      expect([path, stranger.status]).toEqual([path, open ? (method === 'POST' ? 400 : 200) : 401]);
      // What is about sessions has its own tests: a key is none.
      if (/^\/v1\/auth\/(?!token|providers)/.test(template)) continue;
      // Items of the configuration, too: writing them has its own tests.
      if (/^\/admin\/v1\/(?:providers|models|alert-rules)\//.test(template)) continue;
      // A route that needs a prompt or a body shows that it exists by asking for it.
      const bodyless = path === '/v1/auth/token' || /\/(?:cache\/clear|chain\/verify)$/.test(path);
      const needsMonth = path === '/admin/v1/billing/costs';
      const incomplete =
        (['POST', 'PATCH'].includes(method) && !bodyless) || path === '/stream' || needsMonth;
      const authorization = `Bearer ${pair.gateway.adminKey}`;
      if (/\{(?!id\})/.test(template)) {
        // What it is about does not exist; that the route does, its words show.
        const known = await fetch(`${pair.gateway.url}${path}`, {
          method,
          headers: { authorization },
          ...body,
        });
        const text = await known.text();
        // Without a member that it needs, it asks for that first.
        if (known.status === 400) expect([path, text]).toEqual([path, expect.stringContaining('is missing')]);
        else
          expect([path, known.status, text]).toEqual([
            path,
            404,
            expect.stringContaining('There is no such'),
          ]);
        continue;
      }
      const known =
        method === 'POST'
          ? await pair.post(path, {})
          : await fetch(`${pair.gateway.url}${path}`, { method, headers: { authorization } });
      const refused = path === '/v1/files' ? 415 : 400;
      expect([path, known.status]).toEqual([path, incomplete ? refused : 200]);
    }
  });
});

describe('/docs', () => {
  test('the page and its files load from here only, under a strict policy', async () => {
    const page = await withoutKey('/docs');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const html = await page.text();
    const links = [...html.matchAll(/\b(?:src|href)="([^"]*)"/g)].map(([, link]) => link ?? '');
    expect(links.length).toBeGreaterThan(3);
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|\bon\w+=|<style/);
    for (const link of links) {
      expect(link).toMatch(/^\/[^/]/);
      const file = await withoutKey(link);
      expect([link, file.status]).toEqual([link, 200]);
      expect((await file.bytes()).length).toBeGreaterThan(0);
      const type = file.headers.get('content-type') ?? '';
      if (link.endsWith('.js')) expect(type).toStartWith('text/javascript');
      if (link.endsWith('.css')) expect(type).toStartWith('text/css');
      expect(file.headers.get('x-content-type-options')).toBe('nosniff');
    }
    const start = await (await withoutKey('/docs/start.js')).text();
    expect(start).not.toMatch(/https?:/);
  });

  test('the policy lets a browser load from this origin only', async () => {
    const policy = (await withoutKey('/docs')).headers.get('content-security-policy') ?? '';
    const rules = new Map(
      policy.split(';').map((rule): [string, string[]] => {
        const [name = '', ...sources] = rule.trim().split(/\s+/);
        return [name, sources];
      }),
    );
    expect(rules.get('default-src')).toEqual(["'none'"]);
    expect(rules.get('script-src')).toEqual(["'self'"]);
    expect(rules.get('frame-ancestors')).toEqual(["'none'"]);
    const local = new Set(["'none'", "'self'", "'unsafe-inline'", 'data:']);
    expect([...rules.values()].flat().filter((source) => !local.has(source))).toEqual([]);
  });
});
