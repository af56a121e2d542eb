import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { weir } from './harness.ts';
import { asObject, type Json } from './helpers/json.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-routing-'));
const path = (name: string) => join(folder, name);

const provider = (id: string) => ({
  id,
  kind: 'openai-compatible',
  base_url: 'http://127.0.0.1:9/v1',
  discover: false,
});
const config = (strategy: string, more: Json = {}) => ({
  providers: [provider('fast'), provider('cheap')],
  models: [
    {
      id: 'chat',
      strategy,
      targets: [
        { provider: 'fast', model: 'x' },
        { provider: 'cheap', model: 'x', tier: strategy === 'round-robin' ? 0 : 1 },
      ],
      fallbacks: ['simulator'],
      price: { input: '1', output: '2' },
      ...more,
    },
  ],
});
let gateway: Gateway;

beforeAll(async () => {
  writeFileSync(path('weir.yaml'), stringify(config('power-of-two')));
  writeFileSync(path('even.yaml'), stringify(config('round-robin')));
  writeFileSync(
    path('new.yaml'),
    stringify({
      ...config('round-robin'),
      providers: [provider('fast'), provider('cheap')],
      models: [{ id: 'chat', targets: [{ provider: 'cheap', model: 'unseen' }] }],
    }),
  );
  writeFileSync(
    path('request.json'),
    '{"model":"chat","max_tokens":100,"messages":[{"role":"user","content":"Hi"}]}',
  );
  gateway = await startGateway({ config: config('power-of-two') });
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true });
});

const run = (...args: string[]) => weir(args, { WEIR_CONFIG: path('weir.yaml') });

describe('weir route --dry-run', () => {
  test('says where a request would go, in which order, and what it would cost', async () => {
    const { code, stdout } = await run('route', path('request.json'), '--dry-run', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      model: 'chat',
      road: [
        { provider: 'fast', model: 'x', expected_cost_usd: '0.00022' },
        { provider: 'cheap', model: 'x' },
        { provider: 'simulator', model: 'simulator', expected_cost_usd: null },
      ],
    });
    // Nothing is ever sent, so that the option may be left out.
    const text = await run('route', path('request.json'));
    expect(text.stdout).toContain('1  fast       x               $0.00022');
  });

  test('asks a gateway that is running, which knows more', async () => {
    await fetch(`${gateway.url}/admin/v1/targets`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ provider: 'fast', model: 'x', override: 'drain' }),
    });
    const live = await run(
      ...['route', path('request.json'), '--dry-run', '--url', gateway.url, '--key', gateway.adminKey],
    );
    expect(live.stdout).toContain('1  cheap');
    expect(live.stdout).toContain('chat: fast/x is excluded: draining.');
    const refused = await run(
      'route',
      path('request.json'),
      '--dry-run',
      '--url',
      gateway.url,
      '--key',
      'wr-x',
    );
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('returned 401')]);
  });

  test('says what is wrong', async () => {
    const cases: readonly (readonly [args: string[], message: string])[] = [
      [['route', path('none.json'), '--dry-run'], 'Cannot read'],
      [['route', path('weir.yaml'), '--dry-run'], 'expected a JSON object'],
      [['route', path('request.json'), '--dry-run', '--header', 'x'], 'is not of the form "name: value"'],
      [
        ['route', path('request.json'), '--dry-run', '--header', 'x-weir-region: e u'],
        'must be a list of regions',
      ],
    ];
    for (const [args, message] of cases) {
      const { code, stderr } = await run(...args);
      expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
    }
  });
});

describe('weir replay', () => {
  const line = (at: number, more: Json = {}) =>
    JSON.stringify({
      level: 'info',
      time: new Date(1_700_000_000_000 + at).toISOString(),
      msg: 'request',
      tenant: 'default',
      model: 'chat',
      provider: 'fast',
      upstream_model: 'x',
      outcome: 'done',
      duration_ms: 1_000,
      input_tokens: 1_000,
      output_tokens: 450,
      ...more,
    });

  test('compares what was logged with what other configurations would have done', async () => {
    const lines = Array.from({ length: 100 }, (_, index) =>
      line(index * 100, index % 10 === 0 ? { provider: 'cheap', duration_ms: 4_000 } : {}),
    );
    const others = ['not JSON', line(5, { outcome: 'failed' }), '{"msg":"stopping"}', ''];
    writeFileSync(path('log'), [...lines, ...others].join('\n'));
    const { code, stdout } = await run(
      ...['replay', path('log'), '--policy', path('weir.yaml'), '--policy', path('even.yaml'), '--json'],
    );
    expect(code).toBe(0);
    const { results } = asObject(JSON.parse(stdout));
    // 1,000 tokens at $1 and 450 at $2 for a million are $0.0019 for each of a hundred.
    expect(results).toMatchObject([
      {
        name: 'as logged',
        outcome: { requests: 100, p50Ms: 1_000, p99Ms: 4_000, cost: '0.19', notRouted: 0 },
      },
      {
        outcome: {
          requests: 100,
          p50Ms: 1_000,
          p99Ms: 1_000,
          targets: [{ target: 'fast/x', requests: 100 }],
        },
      },
      {
        outcome: {
          p99Ms: 4_000,
          targets: [
            { target: 'cheap/x', requests: 50, mostInflight: 20 },
            { target: 'fast/x', requests: 50, mostInflight: 5 },
          ],
        },
      },
    ]);
    const text = await run('replay', path('log'), '--policy', path('new.yaml'));
    expect(text.stdout).toMatch(/as logged +100 +1000 ms +4000 ms +\$0\.19 +0/);
    expect(text.stderr).toContain('cheap/unseen is not in the log');
  });

  test('says when there is nothing to replay', async () => {
    writeFileSync(path('empty'), '{"msg":"stopped"}\n');
    const { code, stderr } = await run('replay', path('empty'));
    expect([code, stderr]).toEqual([1, expect.stringContaining('contains no successful request')]);
    expect((await run('replay', path('nowhere'))).stderr).toContain('Cannot read');
  });
});
