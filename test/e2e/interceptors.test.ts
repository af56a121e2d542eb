import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { CONFIG_CATALOG } from '../../src/app/config-catalog.ts';
import { loadConfig } from '../../src/config/load.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { status } from '../support/scripts.ts';
import { chat, eventually, post } from './harness.ts';
import { type Families, startFamilies } from './helpers/families.ts';

/** The interceptors that a configuration switches on, through a whole gateway. */

const PREFIX = 'You work for ACME.';
const messages = [{ role: 'user', content: 'Hi' }];

/** A request in each dialect. */
const DIALECTS = {
  '/v1/chat/completions': { messages },
  '/v1/messages': { messages, max_tokens: 10 },
  '/v1/responses': { input: 'Hi' },
  '/inference': { prompt: 'Hi' },
  '/v1/text2sql': { messages },
} as const;

const FORMATS = ['chat', 'claude', 'gemini', 'bedrock', 'cohere', 'ollama', 'azure', 'responses'] as const;

describe('system_prompt_prefix', () => {
  let families: Families;

  beforeAll(async () => {
    families = await startFamilies(() => ({
      interceptors: {
        system_prompt_prefix: { models: Object.fromEntries(FORMATS.map((model) => [model, PREFIX])) },
      },
    }));
    // Only the requests are of interest. A refusal is the same in all formats.
    families.mock.respondAlways(status(400, { error: { message: 'seen' } }));
  });
  afterAll(() => families?.stop());

  async function upstreamText(path: string, body: Readonly<Record<string, unknown>>): Promise<string> {
    const before = families.mock.requests.length;
    await (await families.post(path, body)).arrayBuffer();
    const sent = families.mock.requests.slice(before);
    expect(sent.length).toBe(1);
    return sent[0]?.text() ?? '';
  }

  for (const [path, body] of Object.entries(DIALECTS)) {
    test(`reaches every format from ${path}, before the client's own instructions`, async () => {
      for (const model of FORMATS) {
        for (const stream of path === '/v1/text2sql' || path === '/inference' ? [false] : [false, true]) {
          const text = await upstreamText(path, { ...body, model, ...(stream ? { stream } : {}) });
          expect(text.split(PREFIX).length).toBe(2);
          expect(text.indexOf(PREFIX)).toBeGreaterThanOrEqual(0);
        }
      }
    });
  }

  test('goes before the own instructions of a client, in each dialect', async () => {
    const own = 'Own rule.';
    const bodies = {
      '/v1/chat/completions': { messages: [{ role: 'system', content: own }, ...messages] },
      '/v1/messages': { messages, max_tokens: 10, system: own },
      '/v1/responses': { input: 'Hi', instructions: own },
      '/inference': { prompt: 'Hi', system: own },
    };
    for (const [path, body] of Object.entries(bodies)) {
      for (const model of FORMATS) {
        const text = await upstreamText(path, { ...body, model });
        expect(text.indexOf(PREFIX)).toBeGreaterThanOrEqual(0);
        expect(text.indexOf(own)).toBeGreaterThan(text.indexOf(PREFIX));
      }
    }
  });

  test('changes nothing for another model, or in legacy completions', async () => {
    expect(await upstreamText('/v1/chat/completions', { messages, model: 'mistral' })).not.toContain(PREFIX);
    expect(await upstreamText('/v1/completions', { prompt: 'Hi', model: 'chat' })).not.toContain(PREFIX);
  });
});

describe('server_timing', () => {
  let gateway: Gateway;
  const base = { log: { requests: false } };
  const on = { ...base, interceptors: { server_timing: {} } };

  beforeAll(async () => {
    gateway = await startGateway({ config: on });
  });
  afterAll(() => gateway?.stop());

  async function timing(path: string, body: Readonly<Record<string, unknown>>): Promise<string | null> {
    const response = await post(gateway, JSON.stringify({ model: 'simulator', ...body }), { path });
    expect(response.status).toBe(200);
    await response.arrayBuffer();
    return response.headers.get('server-timing');
  }

  test('is a header of responses in all dialects, plain and streamed', async () => {
    const metric = String.raw`\d+\.\d`;
    const form = new RegExp(
      `^receive;dur=${metric}, queue;dur=${metric}, load;dur=${metric}, upstream;dur=${metric}, total;dur=${metric}$`,
    );
    for (const [path, body] of Object.entries({ ...DIALECTS, '/v1/completions': { prompt: 'Hi' } })) {
      expect(await timing(path, body)).toMatch(form);
      if (path === '/v1/text2sql' || path === '/inference') continue;
      expect(await timing(path, { ...body, stream: true })).toMatch(form);
    }
    expect(await timing('/stream', { prompt: 'Hi' })).toMatch(form);
    expect(await timing('/v1/embeddings', { input: 'Hi' })).toMatch(form);
  });

  test('is switched off and on when the file is reloaded', async () => {
    const isShown = async () => (await timing('/v1/chat/completions', { messages })) !== null;
    for (const off of [base, { ...base, interceptors: { server_timing: { enabled: false } } }]) {
      gateway.writeConfig(off);
      gateway.signal('SIGHUP');
      await eventually('the header is gone', async () => !(await isShown()));
      gateway.writeConfig(on);
      gateway.signal('SIGHUP');
      await eventually('the header is back', isShown);
    }
  });

  test('is absent from errors of requests that never reached it', async () => {
    const response = await post(gateway, chat({ model: 'no-such-model' }));
    expect(response.status).toBe(404);
    expect(response.headers.get('server-timing')).toBeNull();
  });
});

describe('a configuration', () => {
  function problemsOf(text: string): string {
    try {
      const readFile = () => new TextEncoder().encode(text);
      loadConfig({ env: {}, cwd: '/cwd', catalog: CONFIG_CATALOG, readFile });
      return '';
    } catch (error) {
      return String(error);
    }
  }

  test('with an unknown interceptor or a wrong value is rejected with file, line and key', () => {
    const found = problemsOf(
      [
        'interceptors:',
        '  server_timings: {}',
        '  server_timing: { enabled: 7, more: 1 }',
        '  system_prompt_prefix:',
        '    models:',
        '      chat: 7',
        '      other: ""',
        '  settlement: {}',
        '',
      ].join('\n'),
    );
    for (const problem of [
      /weir\.yaml:2:3 {2}interceptors\.server_timings: unknown key[^\n]*server_timing/,
      /weir\.yaml:3:\d+ {2}interceptors\.server_timing\.enabled: /,
      /weir\.yaml:3:\d+ {2}interceptors\.server_timing\.more: unknown key/,
      /weir\.yaml:6:\d+ {2}interceptors\.system_prompt_prefix\.models\.chat: /,
      /weir\.yaml:7:\d+ {2}interceptors\.system_prompt_prefix\.models\.other: /,
      /weir\.yaml:8:3 {2}interceptors\.settlement: unknown key/,
    ]) {
      expect(found).toMatch(problem);
    }
  });
});
