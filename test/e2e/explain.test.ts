import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { json, status } from '../support/scripts.ts';
import { createApiKey } from './helpers/api-key.ts';
import { completion } from './helpers/chunks.ts';
import { asObject, type Json } from './helpers/json.ts';
import { type Pair, startPair } from './helpers/pair.ts';

let pair: Pair;
beforeAll(async () => {
  pair = await startPair((mock) => {
    const base = {
      kind: 'openai',
      base_url: `${mock.url}/v1`,
      api_key: 'sk-none-0123456789',
      discover: false,
    };
    return {
      providers: [
        { id: 'first', ...base },
        { id: 'second', ...base },
      ],
      models: [
        {
          id: 'both',
          strategy: 'round-robin',
          targets: [
            { provider: 'first', model: 'gpt-4o-mini' },
            { provider: 'second', model: 'gpt-4o', tier: 1 },
          ],
        },
        { id: 'spare', targets: [{ provider: 'second', model: 'gpt-4o' }] },
      ],
    };
  });
});
afterAll(() => pair.stop());

const BODY = { model: 'both', messages: [{ role: 'user', content: 'Größe?' }] };

async function explained(headers: Readonly<Record<string, string>> = {}) {
  const response = await pair.post('/v1/chat/completions', BODY, { 'x-weir-explain': '1', ...headers });
  const body = asObject(await response.json());
  return { response, body, why: asObject(JSON.parse(response.headers.get('x-weir-explain') ?? '{}')) };
}

async function override(body: Json): Promise<Json> {
  return asObject(await (await pair.post('/admin/v1/targets', body)).json());
}

describe('an answer can say why', () => {
  test('who was looked at, in which order, and what was tried', async () => {
    pair.mock.respond(status(500, { error: { message: 'broken' } }), json(completion()));
    const { response, why } = await explained({ 'x-request-id': 'ask-1' });
    expect(response.status).toBe(200);
    expect(why).toMatchObject({
      id: 'ask-1',
      model: 'both',
      tenant: 'default',
      looks: [
        {
          model: 'both',
          because: 'asked',
          strategy: 'round-robin',
          targets: [{ provider: 'first', in_flight: 0 }, { provider: 'second' }],
        },
      ],
      attempts: [{ provider: 'first', error: 'upstream_error' }, { provider: 'second' }],
    });
  });

  test('and be asked later, with what it cost here and would have cost there', async () => {
    pair.mock.respond(json(completion()));
    await explained({ 'x-request-id': 'ask-2' });
    const kept = asObject(await (await pair.get('/admin/v1/requests/ask-2')).json());
    expect(kept).toMatchObject({
      outcome: 'done',
      status: 200,
      looks: [
        {
          targets: [
            { model: 'gpt-4o-mini', cost_usd: '0.00000195' },
            { model: 'gpt-4o', cost_usd: '0.0000325' },
          ],
        },
      ],
    });
    expect(JSON.stringify(kept)).not.toContain('Größe');
    expect((await pair.get('/admin/v1/requests/nobody')).status).toBe(404);
  });

  test('an error says why too', async () => {
    pair.mock.respond(status(400, { error: { message: 'no' } }));
    const { response, why } = await explained();
    expect(response.status).toBe(400);
    expect(why).toMatchObject({ attempts: [{ error: 'upstream_rejected' }] });
  });
});

describe('an operator', () => {
  test('sees the condition of every target', async () => {
    const { data } = asObject(await (await pair.get('/admin/v1/targets')).json());
    expect(data).toContainEqual(
      expect.objectContaining({
        provider: 'first',
        model: 'gpt-4o-mini',
        available: true,
        breaker: 'closed',
        override: null,
      }),
    );
  });

  test('takes a target out of use, and back', async () => {
    const first = { provider: 'first', model: 'gpt-4o-mini' };
    expect(await override({ ...first, override: 'drain' })).toMatchObject({
      available: false,
      unavailable_because: 'draining',
    });
    pair.mock.respond(json(completion()));
    const { response, why } = await explained();
    expect(response.headers.get('x-weir-provider')).toBe('second');
    expect(why).toMatchObject({ looks: [{ targets: [{ left_out: 'draining' }, { provider: 'second' }] }] });
    const health = asObject(await (await pair.get('/health')).json());
    expect(health.providers).toContainEqual(expect.objectContaining({ id: 'first', status: 'down' }));
    expect(await override({ ...first, override: null, reset: true })).toMatchObject({ available: true });
    const page = await (await fetch(`${pair.gateway.metricsUrl}/metrics`)).text();
    expect(page).toContain('llm_circuit_breaker_state{provider="first",upstream_model="gpt-4o-mini"} 0');
    expect(page).toContain('llm_provider_healthy{provider="first"} 1');
  });

  test('is given when no target is left', async () => {
    await override({ provider: 'second', model: 'gpt-4o', override: 'disable' });
    const response = await pair.post('/v1/chat/completions', { ...BODY, model: 'spare' });
    expect(response.status).toBe(503);
    expect(asObject(asObject(await response.json()).error)).toMatchObject({
      code: 'model_unavailable',
      message: expect.stringContaining('second/gpt-4o (disabled'),
    });
    await override({ provider: 'second', model: 'gpt-4o', override: null });
  });

  test.each<[string, Json, number]>([
    ['nothing to do', { provider: 'first', model: 'gpt-4o-mini' }, 400],
    ['a word that is none', { provider: 'first', model: 'gpt-4o-mini', override: 'kill' }, 400],
    ['a target that is none', { provider: 'first', model: 'x', override: 'drain' }, 404],
  ])('%s is refused', async (_, body, code) => {
    expect((await pair.post('/admin/v1/targets', body)).status).toBe(code);
  });

  test('is an admin', async () => {
    const key = createApiKey(pair.gateway.dataDir, 'nobody');
    const headers = { authorization: `Bearer ${key}` };
    for (const path of ['/admin/v1/targets', '/admin/v1/requests/ask-1']) {
      const response = await fetch(`${pair.gateway.url}${path}`, { headers });
      // A key made beside a running gateway is known within seconds; until then it is no key at all.
      expect([401, 403]).toContain(response.status);
    }
  });
});
