import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { listAt, textAt, valueAt } from '../compat/answer.ts';
import type { ResponseScript } from '../support/scripts.ts';
import { type Families, lastBody, startFamilies } from './helpers/families.ts';
import { asObject, type Json } from './helpers/json.ts';
import { CALL, CHAT, CLAUDE, CONVERSE, chat, GEMINI, TOOL, user } from './helpers/translation.ts';

/** Requests beyond the limits of a vendor, through a gateway: they arrive within them, and a header says what changed. */

let families: Families;
beforeAll(async () => {
  families = await startFamilies(({ url }) => {
    const provider = (id: string, kind: string, base: string, settings: Json = {}) => ({
      ...{ id, kind, base_url: `${url}${base}`, api_key: 'sk-none-0123456789', discover: false },
      ...settings,
    });
    return {
      providers: [
        provider('openai', 'openai', '/openai/v1'),
        provider('azure', 'azure-openai', '/azure', { api_version: 'v1' }),
        provider('mistral', 'mistral', '/mistral/v1'),
        provider('gemini', 'gemini', '/gemini'),
        provider('bedrock', 'bedrock', '/bedrock', { region: 'us-east-1' }),
        provider('claude', 'anthropic', '/claude'),
      ],
      models: [
        { id: 'many-tools', targets: [{ provider: 'openai', model: 'gpt-4.1' }], fallbacks: ['other'] },
        { id: 'other', targets: [{ provider: 'claude', model: 'claude-sonnet-4-5' }] },
      ],
    };
  });
});
afterAll(() => families.stop());

async function send(path: string, body: Json, script: ResponseScript) {
  families.mock.respond(script);
  const response = await families.post(path, body);
  expect({ status: response.status, text: await response.text() }).toMatchObject({ status: 200 });
  return { up: lastBody(families.mock), warnings: response.headers.get('x-weir-warnings') ?? '' };
}

const rolesOf = (up: Json) => listAt(up, 'messages').map((message) => textAt(asObject(message), 'role'));
const history = [
  user('Which is colder?'),
  {
    role: 'assistant',
    content: null,
    tool_calls: [CALL('a', 'f', '{"city":"Paris"}'), CALL('b', 'f', '{"city":"Rome"}')],
  },
  { role: 'tool', tool_call_id: 'b', content: 'Rome is hot' },
  { role: 'tool', tool_call_id: 'a', content: 'Paris is cold' },
];

test.each(['openai/gpt-4.1', 'azure/gpt-4.1'])(
  'a long metadata.user_id reaches %s as a hash',
  async (model) => {
    const user_id = JSON.stringify({
      device_id: 'd'.repeat(64),
      account_uuid: '',
      session_id: 's'.repeat(36),
    });
    const request = { model, max_tokens: 20, metadata: { user_id }, messages: [user('Hi')] };
    const { up, warnings } = await send('/v1/messages', request, CHAT());
    expect(textAt(up, 'user')).toMatch(/^[0-9a-f]{64}$/);
    expect(warnings).toContain('param="user"');
  },
);

test.each(['openai/gpt-5', 'openai/o3', 'azure/gpt-5'])(
  'sampling that %s rejects is left out of a chat request',
  async (model) => {
    const { up, warnings } = await send(
      '/v1/chat/completions',
      chat(model, { temperature: 0.2, stop: ['x'], max_tokens: 20 }),
      CHAT(),
    );
    expect(Object.keys(up).sort()).toEqual(['max_completion_tokens', 'messages', 'model']);
    for (const name of ['temperature', 'stop']) expect(warnings).toContain(`param="${name}"`);
  },
);

describe('a conversation with tools', () => {
  test('reaches Gemini with results in the order of the calls, and their ids', async () => {
    const { up } = await send(
      '/v1/chat/completions',
      chat('gemini/gemini-2.5-flash', { messages: history }),
      GEMINI(),
    );
    const parts = listAt(up, 'contents').flatMap((content) => listAt(asObject(content), 'parts'));
    const results = parts
      .map((part) => asObject(part).functionResponse)
      .filter((result) => result !== undefined);
    expect(results).toEqual([
      { id: 'a', name: 'f', response: { result: 'Paris is cold' } },
      { id: 'b', name: 'f', response: { result: 'Rome is hot' } },
    ]);
  });

  test('reaches Bedrock with the tools that it names', async () => {
    const body = chat('bedrock/anthropic.claude-sonnet-4-5-v1:0', { messages: [...history, user('Go on.')] });
    const { up } = await send('/v1/chat/completions', body, CONVERSE());
    expect(listAt(asObject(valueAt(up, 'toolConfig')), 'tools')).toHaveLength(1);
  });

  test('reaches Mistral with an assistant message before the user’s', async () => {
    const messages = [...history, user('And?')];
    const { up, warnings } = await send(
      '/v1/chat/completions',
      chat('mistral/mistral-large-latest', { messages }),
      CHAT(),
    );
    expect(rolesOf(up)).toEqual(['user', 'assistant', 'tool', 'tool', 'assistant', 'user']);
    expect(listAt(up, 'messages').map((message) => asObject(message).content)).toMatchObject({
      2: 'Paris is cold',
      3: 'Rome is hot',
    });
    expect(warnings).toContain('param="messages[4]"');
  });

  test('may have tools without a type', async () => {
    const { function: definition } = TOOL('f');
    const body = chat('openai/gpt-4.1', { tools: [{ function: definition }] });
    expect((await send('/v1/chat/completions', body, CHAT())).up.tools).toEqual([TOOL('f')]);
  });
});

test('members of tools that the target lacks cause a warning', async () => {
  const tool = { name: 'f', input_schema: { type: 'object' }, defer_loading: true, input_examples: [{}] };
  const request = { model: 'openai/gpt-4.1', max_tokens: 20, tools: [tool], messages: [user('Hi')] };
  const { warnings } = await send('/v1/messages', request, CHAT());
  expect(warnings).toContain('unsupported;param="tools[0].defer_loading"');
  expect(warnings).toContain('unsupported;param="tools[0].input_examples"');
});

test('more tools than a vendor takes go to the next target', async () => {
  const tools = Array.from({ length: 130 }, (_, at) => ({
    name: `t${at}`,
    input_schema: { type: 'object' },
  }));
  const request = { model: 'many-tools', max_tokens: 20, tools, messages: [user('Hi')] };
  const { up } = await send('/v1/messages', request, CLAUDE());
  expect(up.tools).toHaveLength(130);
  const response = await families.post('/v1/messages', { ...request, model: 'openai/gpt-4.1' });
  expect(response.status).toBe(400);
  expect(textAt(asObject(valueAt(asObject(await response.json()), 'error')), 'message')).toContain(
    'takes at most 128 "tools"; the request has 130',
  );
});
