import { describe, expect, test } from 'bun:test';
import { toBytes } from '../../test/support/bytes.ts';
import { upstreamHeaders } from '../../test/support/fake-transport.ts';
import { send, type TargetName, user } from '../../test/support/vendor-targets.ts';
import { anthropicMessagesDialect } from '../api/anthropic/dialect.ts';
import { openAiChatDialect } from '../api/openai/chat/dialect.ts';
import { responsesDialect } from '../api/openai/responses/dialect.ts';
import type { ClientDialect } from '../core/chat/dialect.ts';

describe('an identifier of an end user that is too long', () => {
  const id = JSON.stringify({ device_id: 'd'.repeat(64), account_uuid: '', session_id: 's'.repeat(36) });
  const messages = { max_tokens: 9, metadata: { user_id: id } };

  test.each([
    ['openai', 64],
    ['responses', 64],
    ['azure', 64],
    ['deepseek', 64],
    ['xai', 64],
    ['groq', 64],
    ['generic', 64],
    ['openrouter', 128],
  ] as const)('of the Messages API reaches %s as a stable hash of at most %i characters', (name, max) => {
    const { up, params } = send(name, messages, anthropicMessagesDialect);
    expect(up.user.length).toBeLessThanOrEqual(max);
    expect(up.user).toMatch(/^[0-9a-f]+$/);
    expect(params).toContain('user');
    expect(send(name, messages, anthropicMessagesDialect).up.user).toBe(up.user);
    const other = { ...messages, metadata: { user_id: `${id} ` } };
    expect(send(name, other, anthropicMessagesDialect).up.user).not.toBe(up.user);
  });

  test.each(['user', 'safety_identifier', 'prompt_cache_key'])(
    'is hashed as %s of a forwarded body',
    (name) => {
      const { up, params } = send('openai', { [name]: id });
      expect(up[name]).toMatch(/^[0-9a-f]{64}$/);
      expect(params).toEqual([name]);
      expect(send('openai', { [name]: 'short' })).toMatchObject({ up: { [name]: 'short' }, warnings: [] });
    },
  );

  test('is hashed in 256 characters for Anthropic', () => {
    const { up } = send('anthropic', { user: 'u'.repeat(300) });
    expect(up.metadata.user_id).toMatch(/^[0-9a-f]{64}$/);
    expect(send('anthropic', { user: 'u'.repeat(256) }).up.metadata.user_id).toHaveLength(256);
  });
});

describe('numbers', () => {
  test.each([
    ['anthropic', { temperature: 1.5 }, 'temperature', (up) => up.temperature, 1],
    ['bedrock', { temperature: 1.5 }, 'temperature', (up) => up.inferenceConfig.temperature, 1],
    ['nova', { temperature: 1.5 }, 'temperature', (up) => up.inferenceConfig.temperature, 1],
    ['cohere', { temperature: 1.5 }, 'temperature', (up) => up.temperature, 1],
    ['cohere', { top_p: 1.2 }, 'top_p', (up) => up.p, 1],
    ['cohere', { presence_penalty: -1 }, 'presence_penalty', (up) => up.presence_penalty, 0],
    ['gemini', { temperature: 3 }, 'temperature', (up) => up.generationConfig.temperature, 2],
    ['gemini', { seed: 2 ** 40 }, 'seed', (up) => up.generationConfig.seed, 2 ** 31 - 1],
    ['mistral', { temperature: 1.8 }, 'temperature', (up) => up.temperature, 1.5],
    ['groq', { n: 3 }, 'n', (up) => up.n, 1],
    ['xai', { logprobs: true, top_logprobs: 20 }, 'top_logprobs', (up) => up.top_logprobs, 8],
    ['openai', { temperature: 2.5 }, 'temperature', (up) => up.temperature, 2],
  ] satisfies readonly [
    TargetName,
    object,
    string,
    (up: ReturnType<typeof send>['up']) => unknown,
    number,
  ][])('out of the range of %s are clamped: %j', (name, given, param, read, expected) => {
    const { up, warnings } = send(name, given);
    expect(read(up)).toBe(expected);
    expect(warnings).toMatchObject([{ kind: 'changed', param }]);
  });

  test('within the range stay, and cause no warning', () => {
    expect(send('anthropic', { temperature: 1 })).toMatchObject({ up: { temperature: 1 }, warnings: [] });
    expect(send('vllm', { temperature: 3 })).toMatchObject({ up: { temperature: 3 }, warnings: [] });
  });
});

test.each([
  ['openai', 4, (up) => up.stop],
  ['groq', 4, (up) => up.stop],
  ['gemini', 5, (up) => up.generationConfig.stopSequences],
  ['cohere', 5, (up) => up.stop_sequences],
] satisfies readonly [TargetName, number, (up: ReturnType<typeof send>['up']) => unknown][])(
  '%s gets the first %i stop sequences',
  (name, max, read) => {
    const stop = ['a', 'b', 'c', 'd', 'e', 'f'];
    const { up, params } = send(name, { stop });
    expect(read(up)).toEqual(stop.slice(0, max));
    expect(params).toEqual(['stop']);
    const translated = send(name, { max_tokens: 5, stop_sequences: stop }, anthropicMessagesDialect);
    expect(read(translated.up)).toEqual(stop.slice(0, max));
  },
);

test.each(['openai', 'responses'] as const)('metadata is cut to what %s accepts', (name) => {
  const metadata = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`k${at}`, 'v'.repeat(600)]));
  const { up, params } = send(name, { store: true, metadata: { ['n'.repeat(65)]: 'x', ...metadata } });
  expect(Object.keys(up.metadata)).toEqual(Object.keys(metadata).slice(0, 16));
  expect(Object.values(up.metadata)).toEqual(Array.from({ length: 16 }, () => 'v'.repeat(512)));
  expect(params).toEqual(['metadata']);
});

describe('tools', () => {
  const long = `mcp__server__${'x'.repeat(90)}`;
  const tool = (name: string) => ({ type: 'function', function: { name, parameters: { type: 'object' } } });
  const messagesTool = (name: string) => ({ name, input_schema: { type: 'object' } });
  const history = (name: string) => [
    user,
    { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name, input: {} }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: '3' }] },
  ];

  test('with a name that the vendor does not take are renamed, and called by their own name', () => {
    const body = {
      max_tokens: 9,
      tools: [messagesTool('day'), messagesTool(long)],
      tool_choice: { type: 'tool', name: long },
      messages: history(long),
    };
    const { up, params, call, to, context } = send('openai', body, anthropicMessagesDialect);
    const sent = up.tools[1].function.name;
    expect(up.tools[0].function.name).toBe('day');
    expect(sent).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
    expect(up.tool_choice.function.name).toBe(sent);
    expect(up.messages[1].tool_calls[0].function.name).toBe(sent);
    expect(params).toEqual(['tools[1].name']);

    const called = { id: 'call_1', type: 'function', function: { name: sent, arguments: '{}' } };
    const message = { role: 'assistant', content: null, tool_calls: [called] };
    const answer = { choices: [{ index: 0, message, finish_reason: 'tool_calls' }] };
    const response = { status: 200, headers: upstreamHeaders({}), body: toBytes(JSON.stringify(answer)) };
    const { text } = to.provider.adapter.parseResponse(response, call, to, context);
    expect(JSON.parse(text).content).toMatchObject([{ type: 'tool_use', name: long }]);

    const choices = [{ index: 0, delta: { tool_calls: [{ index: 0, ...called }] }, finish_reason: null }];
    const end = [{ index: 0, delta: {}, finish_reason: 'tool_calls' }];
    const stream = [{ choices }, { choices: end }].map((one) => `data: ${JSON.stringify(one)}\n\n`).join('');
    const decoder = to.provider.adapter.streamDecoder({ ...call, stream: true }, to, context, 'bytes');
    let out = '';
    decoder.push(toBytes(`${stream}data: [DONE]\n\n`), ({ bytes }) => {
      out += new TextDecoder().decode(bytes);
    });
    expect(out).toContain(`"name":"${long}"`);
  });

  test.each([
    ['bedrock', 'a.b', 'a_b_', (up) => up.toolConfig.tools[0].toolSpec.name],
    ['anthropic', 'a.b', 'a_b_', (up) => up.tools[0].name],
    ['mistral', 'a b', 'a b', (up) => up.tools[0].function.name],
    ['gemini', 'a.b', 'a.b', (up) => up.tools[0].functionDeclarations[0].name],
    ['gemini', '1-a', '_1-a_', (up) => up.tools[0].functionDeclarations[0].name],
    ['cohere', 'a-b', 'a_b_', (up) => up.tools[0].function.name],
  ] satisfies readonly [TargetName, string, string, (up: ReturnType<typeof send>['up']) => string][])(
    '%s gets %s as %s',
    (name, given, start, read) => {
      expect(read(send(name, { tools: [tool(given)] }).up)).toStartWith(start);
    },
  );

  test('whose names differ in a forbidden character only stay different', () => {
    const { up } = send('bedrock', { tools: [tool('a.b'), tool('a:b')] });
    const names = up.toolConfig.tools.map((one: { toolSpec: { name: string } }) => one.toolSpec.name);
    expect(new Set(names).size).toBe(2);
  });

  test('above the vendor’s number are an error that names provider, field and limit', () => {
    const tools = Array.from({ length: 129 }, (_, at) => messagesTool(`t${at}`));
    const request = { max_tokens: 9, tools };
    expect(() => send('openai', request, anthropicMessagesDialect)).toThrow(
      'Provider "p" (OpenAI) takes at most 128 "tools"; the request has 129.',
    );
    expect(send('vllm', request, anthropicMessagesDialect).up.tools).toHaveLength(129);
  });

  test.each(['openai', 'responses', 'gemini', 'bedrock', 'cohere', 'mistral'] as const)(
    'with members of the Messages API cause a warning for %s',
    (name) => {
      const given = { ...messagesTool('day'), defer_loading: true, input_examples: [{}], eager: false };
      const { params } = send(name, { max_tokens: 99, tools: [given] }, anthropicMessagesDialect);
      expect(params).toEqual(['tools[0].defer_loading', 'tools[0].input_examples']);
    },
  );

  test.each(['anthropic', 'gemini', 'bedrock', 'cohere', 'responses'] as const)(
    'with members of OpenAI’s chat, nested ones too, cause a warning for %s',
    (name) => {
      const { type, function: definition } = tool('day');
      const tools = [{ type, defer_loading: true, function: { ...definition, examples: ['x'] } }];
      expect(send(name, { tools }).params).toEqual(['tools[0].defer_loading', 'tools[0].function.examples']);
    },
  );

  test('with members of the Responses API cause a warning for chat', () => {
    const tools = [{ type: 'function', name: 'day', parameters: {}, defer_loading: true }];
    const { params, up } = send('openai', { input: 'Hi', tools }, responsesDialect());
    expect(params).toContain('tools[0].defer_loading');
    expect(up.tools[0]).not.toHaveProperty('defer_loading');
  });

  test('keep such members for a target of the client’s dialect', () => {
    const tools = [{ ...messagesTool('day'), defer_loading: true }];
    const request = anthropicMessagesDialect.toChat({ model: 'm', max_tokens: 9, messages: [user], tools });
    const edited: ClientDialect = {
      ...anthropicMessagesDialect,
      name: 'weir-continued',
      toChat: () => request,
    };
    const { up, warnings } = send('anthropic', { tools }, edited);
    expect(up.tools[0]).toMatchObject({ name: 'day', defer_loading: true });
    expect(warnings).toEqual([]);
  });

  const schemaTool = (input_schema: object) => [{ name: 'day', input_schema }];

  test.each(['openai', 'azure', 'responses', 'anthropic', 'bedrock'] as const)(
    'with alternatives at the top of their schema have them joined for %s',
    (name) => {
      const parameters = {
        type: 'object',
        properties: { a: { type: 'string' } },
        anyOf: [
          { properties: { b: { type: 'number' } }, required: ['b', 'c'] },
          { properties: { c: { type: 'number' } }, required: ['c'] },
        ],
        allOf: [{ properties: { d: {} }, required: ['d'] }],
      };
      const edited: ClientDialect = { ...openAiChatDialect, name: 'weir-continued' };
      const tools = [{ type: 'function', function: { name: 'day', parameters } }];
      const { up, params } = send(name, { tools }, edited);
      const text = JSON.stringify(up);
      expect(text).not.toMatch(/anyOf|allOf/);
      expect(text).toContain('"required":["d","c"]');
      for (const member of ['a', 'b', 'c', 'd']) expect(text).toContain(`"${member}":{`);
      expect(params).toContain('tools[0].parameters');
    },
  );

  test('have properties and items in their schema for OpenAI, which requires both', () => {
    const list = { type: 'array' };
    const nested = { type: 'object', properties: { items: list, of: { anyOf: [list, { type: 'null' }] } } };
    const { up, warnings } = send(
      'openai',
      { max_tokens: 9, tools: [...schemaTool({ type: 'object' }), ...schemaTool(nested)] },
      anthropicMessagesDialect,
    );
    const full = { type: 'array', items: {} };
    expect(up.tools[0].function.parameters).toEqual({ type: 'object', properties: {} });
    expect(up.tools[1].function.parameters.properties).toEqual({
      items: full,
      of: { anyOf: [full, { type: 'null' }] },
    });
    expect(warnings).toEqual([]);
    const whole = { type: 'object', properties: { a: { type: 'array', items: { type: 'string' } } } };
    expect(
      send('openai', { max_tokens: 9, tools: schemaTool(whole) }, anthropicMessagesDialect).up.tools[0]
        .function.parameters,
    ).toEqual(whole);
  });

  test('without a type get it in a forwarded body, in calls of the history too', () => {
    const { function: definition } = tool('day');
    const messages = [
      user,
      { role: 'assistant', tool_calls: [{ id: 'c', function: { name: 'day', arguments: '{}' } }] },
      { role: 'tool', tool_call_id: 'c', content: '3' },
    ];
    const { up, warnings } = send('openai', { tools: [{ function: definition }, tool('b')], messages });
    expect(up.tools).toEqual([{ type: 'function', function: definition }, tool('b')]);
    expect(up.messages[1].tool_calls[0].type).toBe('function');
    expect(warnings).toEqual([]);
  });
});
