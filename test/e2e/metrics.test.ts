import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { gatewayInProcess } from '../support/gateway-in-process.ts';
import { chat, eventually, metric, post } from './harness.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const OPEN_METRICS = { accept: 'application/openmetrics-text; version=1.0.0' };
const PROMTOOL = Bun.which('promtool');
const folder = mkdtempSync(join(tmpdir(), 'weir-metrics-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function inProcess(config: Readonly<Record<string, unknown>> = {}) {
  const gateway = await gatewayInProcess({
    config: {
      models: [{ id: 'chat', targets: [{ provider: 'simulator', model: 'simulator-a' }] }],
      ...config,
    },
  });
  closers.push(() => gateway.close());
  const page = async (headers: Readonly<Record<string, string>> = {}) => {
    const { text, headers: got } = await gateway.call('GET', '/metrics', { key: gateway.adminKey, headers });
    return { text, type: got.get('content-type') };
  };
  const send = (
    more: object = {},
    headers: Readonly<Record<string, string>> = {},
    path = '/v1/chat/completions',
  ) =>
    gateway.call('POST', path, {
      ...{ key: gateway.adminKey, headers },
      body: { model: 'chat', messages: [{ role: 'user', content: 'hi' }], max_tokens: 2, ...more },
    });
  return { gateway, page, send };
}

/** Sends a request and reads its response. @returns the status */
async function sent(gateway: Gateway, more: Readonly<Record<string, unknown>> = {}): Promise<number> {
  const response = await post(gateway, chat(more));
  await response.text();
  return response.status;
}

/** Lines with samples. */
function series(text: string): string[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('the size of the page', () => {
  test('does not grow with 10,000 hostile names of models, routes, methods, tags, sessions, users and keys', async () => {
    const { gateway, page, send } = await inProcess();
    // As hostile as a header permits.
    const name = (index: number) => `x"}\\${'y'.repeat(index % 40)}${index}`;
    const attack = async (from: number, to: number) => {
      for (let index = from; index < to; index += 1) {
        const hostile = name(index);
        await send(
          { model: hostile, user: hostile },
          { 'x-weir-session': hostile, 'x-weir-tags': `t=${index}` },
        );
        await send({ model: `simulator/${hostile}` }, { 'x-weir-tenant': hostile, traceparent: hostile });
        await send(
          { model: 'chat', user: hostile },
          { 'x-weir-tags': `a${index}=b`, 'x-weir-priority': hostile },
        );
        const path = `/v1/${encodeURIComponent(hostile)}`;
        await gateway.call(index % 2 === 0 ? 'GET' : `M${index}`, path, {
          key: `wr-${index}-${'k'.repeat(40)}`,
        });
      }
    };
    await attack(0, 20);
    const before = series((await page()).text);
    await attack(20, 2_500);
    const after = series((await page()).text);
    const names = new Set(before.map((line) => line.slice(0, line.lastIndexOf(' '))));
    const fresh = after
      .map((line) => line.slice(0, line.lastIndexOf(' ')))
      .filter((line) => !names.has(line));
    // A status or a bucket that did not come up among the first ones is no name of a client.
    expect(fresh.filter((line) => /[xy]\d|[at]\d+=|wr-/.test(line))).toEqual([]);
    expect(fresh.length).toBeLessThan(60);
    expect(after.join('\n')).not.toContain('yyy');
  }, 120_000);

  test('is bounded where operators have more names than the limit', async () => {
    const { page, send } = await inProcess({
      metrics: { max_series: 5 },
      models: Array.from({ length: 40 }, (_, index) => ({
        id: `m${index}`,
        targets: [{ provider: 'simulator', model: 'simulator-a' }],
      })),
    });
    for (let index = 0; index < 40; index += 1) await send({ model: `m${index}` });
    const { text } = await page();
    const counts = new Map<string, number>();
    for (const line of series(text)) {
      const family = /^(\w+)\{(?!le=).*model=/.exec(line)?.[1];
      if (family !== undefined) counts.set(family, (counts.get(family) ?? 0) + 1);
    }
    expect(counts.size).toBeGreaterThan(5);
    for (const count of counts.values()) expect(count).toBeLessThanOrEqual(7);
    expect(text).toMatch(/^llm_requests_total\{model="other",.*\} 35$/m);
  });
});

test('tenants beyond the limit count together, in every metric', async () => {
  const { gateway, page } = await inProcess({ metrics: { max_series: 5 } });
  const admin = async (path: string, body: object) => {
    const { status, body: made } = await gateway.call('POST', `/admin/v1/${path}`, {
      key: gateway.adminKey,
      body,
    });
    expect(status).toBe(201);
    return made;
  };
  for (let index = 0; index < 15; index += 1) {
    const limits = [{ of: 'tokens', per: 'day', max: 1_000_000 }];
    await admin('tenants', { id: `tenant-${index}`, tier: null, limits });
    const { key } = await admin(`tenants/tenant-${index}/keys`, { name: 'k' });
    const { status } = await gateway.call('POST', '/v1/chat/completions', {
      key: String(key),
      body: { model: 'chat', messages: [{ role: 'user', content: 'hi' }], max_tokens: 2 },
    });
    expect(status).toBe(200);
  }
  const { text } = await page();
  const counts = new Map<string, Set<string>>();
  for (const [, family = '', tenant = ''] of text.matchAll(/^(\w+)\{.*?tenant="([^"]*)"/gm)) {
    counts.set(family, (counts.get(family) ?? new Set()).add(tenant));
  }
  expect([...counts.keys()]).toEqual(
    expect.arrayContaining(['llm_tenant_requests_total', 'llm_quota_used_ratio']),
  );
  for (const tenants of counts.values()) expect(tenants.size).toBeLessThanOrEqual(6);
  expect(text).toContain('\nllm_tenant_requests_total{tenant="other",status="200"} 10\n');
});

describe('OpenMetrics', () => {
  test('is selected by Accept, and its exemplars name the trace of a request', async () => {
    const collector = createServer((_, response) => response.end()).listen(0, '127.0.0.1');
    closers.push(() => collector.close());
    await new Promise((resolve) => collector.once('listening', resolve));
    const address = collector.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const { page, send } = await inProcess({
      tracing: { endpoint: `http://127.0.0.1:${address.port}` },
    });
    const trace = '0af7651916cd43dd8448eb211c80319c';
    await send({ stream: true }, { traceparent: `00-${trace}-b7ad6b7169203331-01` });
    const { text, type } = await page(OPEN_METRICS);
    expect(type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(text).toEndWith('# EOF\n');
    for (const name of [
      'http_request_duration_seconds',
      'llm_request_duration_seconds',
      'llm_time_to_first_token_seconds',
      'llm_provider_latency_seconds',
      'gen_ai_client_operation_duration_seconds',
      'gen_ai_server_time_to_first_token_seconds',
    ]) {
      expect(text).toMatch(
        new RegExp(`^${name}_bucket\\{.*\\} 1 # \\{trace_id="${trace}"\\} \\S+ \\d{10}`, 'm'),
      );
    }
    const plain = await page();
    expect(plain.type).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(plain.text).not.toContain(trace);
  });

  test('has no exemplar of a trace that is not exported', async () => {
    const { page, send } = await inProcess({
      tracing: { endpoint: 'http://127.0.0.1:9', sampler: 'always_off' },
    });
    await send();
    expect((await page(OPEN_METRICS)).text).not.toContain('trace_id');
  });

  test.skipIf(PROMTOOL === null)('both formats are read by Prometheus’ own parsers', async () => {
    const { page, send } = await inProcess({
      tracing: { endpoint: 'http://127.0.0.1:9', sampler: 'always_on' },
    });
    await send({ stream: true });
    await send({ model: 'nothing"\\' });
    const run = (args: readonly string[], input: string) => {
      const { exitCode, stderr, stdout } = Bun.spawnSync([PROMTOOL ?? '', ...args], {
        stdin: Buffer.from(input),
      });
      return { exitCode, output: `${stdout}${stderr}` };
    };
    const check = run(['check', 'metrics'], (await page()).text);
    // Exit code 3 is advice on names.
    expect([0, 3]).toContain(check.exitCode);
    expect(check.output).not.toMatch(/error|no help text|counter metrics should/i);
    // This command reads OpenMetrics files, in which each sample needs a time.
    const timed = (await page(OPEN_METRICS)).text.replace(/^(\w+(?:\{.*?\})? \S+)(?= # |$)/gm, (line) =>
      line.startsWith('#') ? line : `${line} 1700000000`,
    );
    const file = join(folder, 'page.om');
    writeFileSync(file, timed);
    const read = run(['tsdb', 'create-blocks-from', 'openmetrics', file, join(folder, 'blocks')], '');
    expect(read).toMatchObject({ exitCode: 0 });
    expect(timed).toContain('# {trace_id=');
  });
});

test('users, tenants, bursts, bytes, storage and limits of the process are there', async () => {
  const gateway = await startGateway({
    config: { models: [{ id: 'chat', targets: [{ provider: 'simulator', model: 'simulator-a' }] }] },
  });
  closers.push(() => gateway.stop());
  const made = async (path: string, body: object) => {
    const headers = { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' };
    const response = await fetch(`${gateway.url}/admin/v1/${path}`, {
      ...{ method: 'POST', headers, body: JSON.stringify(body) },
    });
    expect(response.status).toBe(201);
    return response.json();
  };
  const limits = [
    { of: 'requests', per: 'minute', max: 10, burst: 4 },
    { of: 'tokens', per: 'day', max: 1_000_000 },
  ];
  await made('tenants', { id: 'acme', tier: null, limits });
  for (const name of ['a', 'b']) {
    const { key } = await made('tenants/acme/keys', { name });
    const response = await post(gateway, chat({ max_tokens: 2 }), {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(response.status).toBe(200);
    await response.text();
  }
  const page = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
  const value = (name: string) => {
    const line = page.split('\n').find((one) => one.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length));
  };
  expect(value('llm_active_users{window="5m"}')).toBe(2);
  expect(value('llm_active_tenants{window="24h"}')).toBe(1);
  expect(value('llm_burst_used_ratio{tenant="acme",quota="requests_per_minute"}')).toBeCloseTo(0.5, 1);
  expect(value('llm_quota_used_ratio{tenant="acme",quota="tokens_per_day"}')).toBeGreaterThan(0);
  expect(value('llm_tenant_requests_total{tenant="acme",status="200"}')).toBe(2);
  expect(value('llm_tenant_tokens_total{tenant="acme",direction="output"}')).toBeGreaterThan(0);
  expect(value('llm_tokens_per_second{model="chat"}')).toBe(0);
  expect(value('llm_queue_depth{priority="normal"}')).toBe(0);
  expect(value('weir_http_received_bytes_total')).toBeGreaterThan(500);
  expect(value('weir_http_sent_bytes_total')).toBeGreaterThan(500);
  expect(
    value('weir_storage_operation_duration_seconds_count{backend="sqlite",operation="write"}'),
  ).toBeGreaterThan(0);
  expect(
    value('weir_storage_operation_duration_seconds_count{backend="sqlite",operation="read"}'),
  ).toBeGreaterThan(0);
  expect(value('process_memory_limit_bytes')).toBeGreaterThan(value('process_resident_memory_bytes') ?? 0);
  expect(value('process_max_fds')).toBeGreaterThan(value('process_open_fds') ?? 0);
  expect(page).toMatch(/^weir_build_info\{version="\d+\.\d+\.\d+"\} 1$/m);
});

describe('export over OTLP', () => {
  interface Received {
    readonly path: string;
    readonly type: string | undefined;
    readonly body: Buffer;
  }
  async function receiver(status = 200) {
    const received: Received[] = [];
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const { url: path = '', headers } = request;
        received.push({ path, type: headers['content-type'], body: Buffer.concat(parts) });
        response.writeHead(status).end();
      });
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    closers.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return { received, url: `http://127.0.0.1:${address.port}` };
  }
  async function start(otlp: Readonly<Record<string, unknown>>, env: Readonly<Record<string, string>> = {}) {
    const gateway = await startGateway({
      env,
      config: {
        metrics: { otlp: { interval: '1s', ...otlp } },
        models: [{ id: 'chat', targets: [{ provider: 'simulator', model: 'simulator-a' }] }],
      },
    });
    closers.push(() => gateway.stop());
    return gateway;
  }

  test('sends the histograms of the conventions, as JSON', async () => {
    const { received, url } = await receiver();
    const gateway = await start({ endpoint: url, protocol: 'http/json' });
    expect(await sent(gateway, { stream: true, max_tokens: 3 })).toBe(200);
    const named = () =>
      received.flatMap(({ body }) => {
        const { resourceMetrics } = JSON.parse(body.toString('utf8'));
        return resourceMetrics[0].scopeMetrics[0].metrics.map(({ name }: { name: string }) => name);
      });
    await eventually('all four arrive', () => new Set(named()).size === 4);
    expect(new Set(named())).toEqual(
      new Set([
        'gen_ai.client.operation.duration',
        'gen_ai.client.token.usage',
        'gen_ai.server.time_to_first_token',
        'gen_ai.server.time_per_output_token',
      ]),
    );
    expect(received[0]).toMatchObject({ path: '/v1/metrics', type: 'application/json' });
  });

  test('uses the collector of the traces with OpenTelemetry’s variables, in protobuf', async () => {
    const { received, url } = await receiver();
    const gateway = await start(
      { include: 'all' },
      {
        ...{ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_METRICS_EXPORTER: 'otlp' },
        ...{ OTEL_METRIC_EXPORT_INTERVAL: '500', OTEL_TRACES_SAMPLER: 'always_off' },
      },
    );
    await sent(gateway);
    const all = () => received.filter(({ path }) => path === '/v1/metrics');
    await eventually('every family arrives', () =>
      all().some(
        ({ body }) => body.includes('llm_requests_total') && body.includes('gen_ai.client.token.usage'),
      ),
    );
    expect(all()[0]?.type).toBe('application/x-protobuf');
    expect(await metric(gateway, 'weir_metric_points_exported_total')).toBeGreaterThan(0);
  });

  test.each<[string, number | undefined]>([
    ['is away', undefined],
    ['rejects everything', 500],
  ])('a collector that %s costs requests nothing, and /health says what is lost', async (_, status) => {
    const endpoint = status === undefined ? 'http://127.0.0.1:9' : (await receiver(status)).url;
    const gateway = await start({ endpoint });
    expect(await sent(gateway)).toBe(200);
    const health = async (key?: string) => {
      const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
      return (await fetch(`${gateway.url}/health`, { headers })).json();
    };
    await eventually('the loss is counted', async () => (await health(gateway.adminKey)).losses.metrics > 0);
    expect((await health(gateway.adminKey)).losses).toMatchObject({
      ...{ traces: 0, logs: 0, usage: 0, audit: 0, responses: 0 },
    });
    expect((await health()).losses).toBeUndefined();
    expect(await sent(gateway)).toBe(200);
  });
});
