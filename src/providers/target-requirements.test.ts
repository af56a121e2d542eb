import { describe, expect, test } from 'bun:test';
import { chat, send, TARGETS, user, vendorTarget } from '../../test/support/vendor-targets.ts';
import { anthropicMessagesDialect } from '../api/anthropic/dialect.ts';
import { openAiChatDialect } from '../api/openai/chat/dialect.ts';
import type { ClientDialect } from '../core/chat/dialect.ts';
import { isRecord } from '../core/json.ts';
import { anthropicAdapter } from './anthropic/index.ts';
import { AZURE_OPENAI } from './azure-openai/index.ts';
import { FAMILIES } from './families.ts';
import { createGeminiAdapter } from './gemini/index.ts';
import { createOpenAiAdapter } from './openai-compatible/adapter.ts';
import { ENGINES, GENERIC, VENDORS } from './openai-compatible/vendors.ts';
import type { Target, VendorProfile } from './types.ts';

describe('parameters that a reasoning model rejects', () => {
  const given = { temperature: 0.2, top_p: 0.9, presence_penalty: 1, stop: ['x'] };
  const to = (profile: VendorProfile, model: string) => vendorTarget(chat, model, profile);

  test.each([
    [VENDORS.openai, 'gpt-5', ['temperature', 'top_p', 'presence_penalty', 'stop']],
    [VENDORS.openai, 'o3', ['temperature', 'top_p', 'presence_penalty', 'stop']],
    [VENDORS.openai, 'o1', ['temperature', 'top_p', 'presence_penalty']],
    [AZURE_OPENAI, 'gpt-5-mini', ['temperature', 'top_p', 'presence_penalty', 'stop']],
    [VENDORS.openai, 'gpt-5.2', ['stop']],
    [VENDORS.openai, 'gpt-5.5', []],
    [VENDORS.xai, 'grok-4', ['presence_penalty', 'stop']],
    [VENDORS.openai, 'gpt-4.1', []],
  ] as const)('of $label, %s, are left out of forwarded and of translated bodies', (profile, model, left) => {
    const forwarded = send(to(profile, model), given);
    const names = Object.keys(given);
    const sent = names.filter((name) => !left.some((one) => one === name));
    expect(Object.keys(forwarded.up).filter((name) => names.includes(name))).toEqual(sent);
    expect(forwarded.params.toSorted()).toEqual(left.toSorted());
    const edited: ClientDialect = { ...openAiChatDialect, name: 'weir-continued' };
    const translated = send(to(profile, model), given, edited);
    expect(
      Object.keys(translated.up)
        .filter((name) => names.includes(name))
        .toSorted(),
    ).toEqual(sent.toSorted());
    expect(translated.params.toSorted()).toEqual(left.toSorted());
  });

  test('are left out while a model with optional reasoning reasons', () => {
    const model = to(VENDORS.openai, 'gpt-5.2');
    expect(send(model, { temperature: 0.2, reasoning_effort: 'low' }).params).toEqual(['temperature']);
    expect(send(model, { temperature: 0.2, reasoning_effort: 'none' }).params).toEqual([]);
  });

  test('cause no warning where they are the default', () => {
    const { up, warnings } = send(to(VENDORS.openai, 'gpt-5'), {
      temperature: 1,
      top_p: 1,
      frequency_penalty: 0,
      logprobs: false,
      stop: null,
    });
    expect(Object.keys(up)).toEqual(['model', 'messages']);
    expect(warnings).toEqual([]);
  });

  test('a reasoning effort that the model lacks is replaced by the nearest in a forwarded body', () => {
    const { up, params } = send(to(VENDORS.openai, 'gpt-5'), { reasoning_effort: 'xhigh' });
    expect(up.reasoning_effort).toBe('high');
    expect(params).toEqual(['reasoning_effort']);
  });
});

describe('results of parallel calls', () => {
  const call = (id: string, city: string) => ({
    id,
    type: 'function',
    function: { name: 'f', arguments: JSON.stringify({ city }) },
  });
  const messages = [
    user,
    { role: 'assistant', content: null, tool_calls: [call('a', 'Paris'), call('b', 'Rome')] },
    { role: 'tool', tool_call_id: 'b', content: 'Rome is hot' },
    { role: 'tool', tool_call_id: 'a', content: 'Paris is cold' },
  ];
  const native = vendorTarget(createOpenAiAdapter({ api: 'native', responses: false }), 'm', ENGINES.ollama);

  test.each([...Object.entries(TARGETS), ['Ollama', native] as const])(
    'reach %s in the order of the calls',
    (_, to) => {
      const text = JSON.stringify(send(to, { messages }).up);
      expect(text.indexOf('Paris is cold')).toBeGreaterThan(0);
      expect(text.indexOf('Paris is cold')).toBeLessThan(text.indexOf('Rome is hot'));
    },
  );

  test.each([...Object.entries(TARGETS), ['Ollama', native] as const])(
    'reach %s before a message that came between them',
    (_, to) => {
      const [first, second, b, a] = messages;
      const between = { role: 'user', content: 'Hurry.' };
      const text = JSON.stringify(send(to, { messages: [first, second, b, between, a] }).up);
      const at = ['Paris is cold', 'Rome is hot', 'Hurry.'].map((one) => text.indexOf(one));
      expect(at.toSorted((one, other) => one - other)).toEqual(at);
    },
  );

  test('stay as they are where they are in order', () => {
    const [first, second, b, a] = messages;
    const { up } = send('openai', { messages: [first, second, a, b] });
    expect(up.messages).toEqual([first, second, a, b]);
  });
});

describe('ids of tool calls', () => {
  test('that are too long are shortened, in the call and in its result', () => {
    const id = `chatcmpl-tool-${'0'.repeat(32)}`;
    const calls = [{ id, type: 'function', function: { name: 'f', arguments: '{}' } }];
    const messages = [
      user,
      { role: 'assistant', tool_calls: calls },
      { role: 'tool', tool_call_id: id, content: '3' },
    ];
    for (const name of ['openai', 'azure', 'openrouter'] as const) {
      const { up, warnings } = send(name, { messages });
      expect(up.messages[1].tool_calls[0].id.length).toBeLessThanOrEqual(40);
      expect(up.messages[2].tool_call_id).toBe(up.messages[1].tool_calls[0].id);
      expect(warnings).toEqual([]);
    }
    expect(send('vllm', { messages }).up.messages).toEqual(messages);
  });
});

describe('Mistral', () => {
  const called = {
    role: 'assistant',
    tool_calls: [{ id: 'abcdefghi', type: 'function', function: { name: 'f', arguments: '{}' } }],
  };
  const result = { role: 'tool', tool_call_id: 'abcdefghi', content: '3' };
  const roles = (up: unknown) =>
    isRecord(up) && Array.isArray(up.messages)
      ? up.messages.map((one) => (isRecord(one) ? one.role : one))
      : [];

  test('gets an assistant message between a result and the user, forwarded and translated', () => {
    const forwarded = send('mistral', { messages: [user, called, result, user] });
    expect(roles(forwarded.up)).toEqual(['user', 'assistant', 'tool', 'assistant', 'user']);
    expect(forwarded.params).toEqual(['messages[3]']);
    const turn = [
      { type: 'tool_result', tool_use_id: 'toolu_1', content: '3' },
      { type: 'text', text: 'And now?' },
    ];
    const messages = [
      user,
      { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'f', input: {} }] },
      { role: 'user', content: turn },
    ];
    const translated = send('mistral', { max_tokens: 9, messages }, anthropicMessagesDialect);
    expect(roles(translated.up)).toEqual(['user', 'assistant', 'tool', 'assistant', 'user']);
  });

  test('gets it also before pictures of a result, at every host of its models', () => {
    const source = { type: 'base64', media_type: 'image/png', data: 'AAAA' };
    const content = [{ type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'image', source }] }];
    const messages = [
      user,
      { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'f', input: {} }] },
      { role: 'user', content },
    ];
    const hosted = vendorTarget(chat, 'mistralai/mistral-small', GENERIC);
    for (const to of [TARGETS.mistral, hosted]) {
      const { up } = send(to, { max_tokens: 9, messages }, anthropicMessagesDialect);
      expect(roles(up)).toEqual(['user', 'assistant', 'tool', 'assistant', 'user']);
    }
    expect(roles(send('openai', { max_tokens: 9, messages }, anthropicMessagesDialect).up)).toEqual([
      'user',
      'assistant',
      'tool',
      'user',
    ]);
  });

  test('gets later system messages as messages of the user, and no empty assistant message', () => {
    const system = { role: 'system', content: 'Be brief.' };
    const assistant = { role: 'assistant', content: 'Monday.' };
    const empty = { role: 'assistant', content: '' };
    const { up, params } = send('mistral', { messages: [system, user, assistant, system, empty, user] });
    expect(roles(up)).toEqual(['system', 'user', 'assistant', 'user', 'user']);
    expect(params).toEqual(['messages[3]']);
  });

  test('continues a last message of the assistant, which it rejects without a mark', () => {
    const { up } = send('mistral', { messages: [user, { role: 'assistant', content: 'Mon' }] });
    expect(up.messages[1]).toEqual({ role: 'assistant', content: 'Mon', prefix: true });
  });
});

describe('a last message of the assistant', () => {
  const messages = [user, { role: 'assistant', content: 'Mon' }];
  const at = (model: string) => vendorTarget(anthropicAdapter, model, FAMILIES.anthropic?.profile);
  const gemini = (model: string) => vendorTarget(createGeminiAdapter({}), model, FAMILIES.gemini?.profile);

  test.each([
    ['claude-opus-4-6', at('claude-opus-4-6')],
    ['claude-opus-4-8', at('claude-opus-4-8')],
    ['gemini-3.6-flash', gemini('gemini-3.6-flash')],
  ])('is followed by a request to continue for %s, which rejects it at the end', (_, to) => {
    const { up, warnings } = send(to, { messages });
    const turns: { role: string }[] = up.messages ?? up.contents;
    expect(turns.map(({ role }) => role.replace('model', 'assistant'))).toEqual([
      'user',
      'assistant',
      'user',
    ]);
    expect(warnings).toMatchObject([{ kind: 'changed', param: 'messages[1]' }]);
  });

  test.each(['anthropic', 'bedrock', 'nova', 'openai', 'gemini'] as const)(
    'stays at the end for %s',
    (name) => {
      const { up, warnings } = send(name, { messages });
      expect(up.messages ?? up.contents).toHaveLength(2);
      expect(warnings).toEqual([]);
    },
  );
});

describe('the beginning of a response', () => {
  const canonical = (reasons: boolean) => ({
    ...openAiChatDialect.toChat({ messages: [user, { role: 'assistant', content: 'Mon' }] }),
    continueWith: 'Go on.',
    ...(reasons ? { reasoning: { effort: 'high' as const } } : {}),
  });
  const sent = (to: Target, reasons = false) => {
    const dialect: ClientDialect = {
      ...openAiChatDialect,
      name: 'weir-continued',
      toChat: () => canonical(reasons),
    };
    return send(to, {}, dialect).up;
  };

  test.each(['anthropic', 'bedrock', 'nova', 'gemini', 'mistral', 'vllm', 'groq'] as const)(
    'is continued by %s',
    (name) => {
      expect(JSON.stringify(sent(TARGETS[name]))).not.toContain('Go on.');
    },
  );

  test.each(['openai', 'cohere', 'generic', 'responses'] as const)(
    'is followed by the instruction for %s',
    (name) => {
      expect(JSON.stringify(sent(TARGETS[name]))).toContain('Go on.');
    },
  );

  test('needs members of the request at vLLM, and no reasoning at Anthropic', () => {
    expect(sent(TARGETS.vllm)).toMatchObject({ continue_final_message: true, add_generation_prompt: false });
    expect(sent(TARGETS.generic)).not.toHaveProperty('continue_final_message');
    expect(JSON.stringify(sent(TARGETS.anthropic, true))).toContain('Go on.');
  });
});

describe('members that only some vendors take', () => {
  const edited: ClientDialect = { ...openAiChatDialect, name: 'weir-continued' };
  const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];

  test.each(['mistral', 'groq'] as const)('are left out for %s; unknown ones are forwarded', (name) => {
    const given = { verbosity: 'low', safety_identifier: 'me', prompt_cache_retention: null };
    const { up, params } = send(name, { temperature: 0.5, x_new: 1, ...given });
    expect(up).toEqual({ model: TARGETS[name].model, messages: [user], temperature: 0.5, x_new: 1 });
    expect(params).toEqual(['verbosity', 'safety_identifier']);
  });

  test('usage in streams is not asked for where the vendor sends it always', () => {
    const { up, warnings } = send('mistral', { stream: true, stream_options: { include_usage: true } });
    expect(up).not.toHaveProperty('stream_options');
    expect(warnings).toEqual([]);
  });

  test.each(['openai', 'azure'] as const)('metadata needs a stored response at %s', (name) => {
    const metadata = { a: 'b' };
    for (const dialect of [openAiChatDialect, edited]) {
      expect(send(name, { metadata }, dialect)).toMatchObject({ params: ['metadata'] });
      expect(send(name, { metadata }, dialect).up).not.toHaveProperty('metadata');
      expect(send(name, { metadata, store: true }, dialect).up.metadata).toEqual(metadata);
    }
  });

  test('choices of tools are left out without tools', () => {
    const given = { tools: [], tool_choice: 'auto', parallel_tool_calls: false };
    expect(send('openai', given)).toMatchObject({ up: { messages: [user] }, warnings: [] });
    expect(Object.keys(send('openai', given).up)).toEqual(['model', 'messages']);
    expect(send('openai', { ...given, tools }).up).toMatchObject({ ...given, tools });
  });

  test.each([
    ['o3-mini', { tools, parallel_tool_calls: true }, []],
    ['o4-mini', { tools, parallel_tool_calls: false }, ['parallel_tool_calls']],
    ['gpt-4.1', { reasoning_effort: 'low', verbosity: 'low' }, ['reasoning_effort', 'verbosity']],
    ['gpt-5-chat-latest', { reasoning_effort: 'low' }, ['reasoning_effort']],
    ['gpt-5', { reasoning_effort: 'low', verbosity: 'low' }, []],
  ])('%s gets %j without %j', (model, given, left) => {
    const to = vendorTarget(chat, model, VENDORS.openai);
    for (const dialect of [openAiChatDialect, edited]) {
      const { up, params } = send(to, given, dialect);
      expect(params).toEqual(left);
      if (model.startsWith('o')) expect(up).not.toHaveProperty('parallel_tool_calls');
      for (const name of left) expect(up).not.toHaveProperty(name);
    }
  });

  test.each(['mistral', 'groq'] as const)(
    'messages lose what responses of OpenAI have besides, for %s',
    (name) => {
      const response = {
        role: 'assistant',
        content: null,
        refusal: 'I may not.',
        annotations: [],
        audio: null,
        reasoning_content: 'Hm.',
      };
      const { up, params } = send(name, {
        messages: [user, response, { ...response, refusal: null, content: 'Yes.' }, user],
      });
      expect(up.messages).toEqual([
        user,
        { role: 'assistant', content: 'I may not.' },
        { role: 'assistant', content: 'Yes.' },
        user,
      ]);
      expect(params).toEqual(['messages[1].reasoning_content']);
      expect(send('openai', { messages: [user, response] }).up.messages).toEqual([user, response]);
    },
  );
});

describe('DeepSeek', () => {
  const to = vendorTarget(chat, 'deepseek-v4-flash', VENDORS.deepseek);
  const edited: ClientDialect = { ...openAiChatDialect, name: 'weir-continued' };
  const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];

  test('gets a JSON schema as an instruction', () => {
    const schema = { type: 'object', properties: { day: { type: 'string' } } };
    const response_format = { type: 'json_schema', json_schema: { name: 'day', schema } };
    const system = { role: 'system', content: 'Be brief.' };
    for (const dialect of [openAiChatDialect, edited]) {
      for (const messages of [[user], [system, user]]) {
        const { up, params } = send(to, { response_format, messages }, dialect);
        expect(up.response_format).toEqual({ type: 'json_object' });
        expect(up.messages[0].role).toBe('system');
        expect(up.messages[0].content).toContain(JSON.stringify(schema));
        expect(up.messages.at(-1)).toEqual(user);
        expect(up.messages).toHaveLength(2);
        expect(params).toEqual(['response_format']);
      }
    }
  });

  test.each([
    [{}, { tool_choice: 'required', thinking: { type: 'disabled' } }, ['tool_choice']],
    [{ thinking: { type: 'disabled' } }, { tool_choice: 'required', thinking: { type: 'disabled' } }, []],
    [
      { thinking: { type: 'enabled' } },
      { tool_choice: 'auto', thinking: { type: 'enabled' } },
      ['tool_choice'],
    ],
  ])('with %j is forced to call a tool only without reasoning', (given, sent, params) => {
    for (const dialect of [openAiChatDialect, edited]) {
      const forwarded = send(to, { ...given, tools, tool_choice: 'required' }, dialect);
      expect(forwarded.up).toMatchObject(sent);
      expect(forwarded.params).toEqual(params);
    }
    expect(send(to, { ...given, tools, tool_choice: 'auto' }).params).toEqual([]);
  });
});

describe('a response format beside tools', () => {
  const edited: ClientDialect = { ...openAiChatDialect, name: 'weir-continued' };
  const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];
  const schema = { type: 'object', properties: { day: { type: 'string' } } };
  const response_format = { type: 'json_schema', json_schema: { name: 'day', schema } };

  test.each(['gemini', 'cohere'] as const)('is sent as an instruction to %s', (name) => {
    for (const format of [response_format, { type: 'json_object' }]) {
      const { up, params } = send(name, { tools, response_format: format }, edited);
      const text = JSON.stringify(up);
      expect(text).toContain('Unless you call a tool, respond with one JSON object');
      expect(text).not.toMatch(/responseMimeType|response_format/);
      expect(params).toEqual(['response_format']);
    }
    expect(send(name, { response_format }, edited).params).toEqual([]);
  });

  test('stays a parameter where the model takes both', () => {
    const newer = vendorTarget(createGeminiAdapter({}), 'gemini-3-pro', FAMILIES.gemini?.profile);
    const { up, warnings } = send(newer, { tools, response_format }, edited);
    expect(up.generationConfig.responseMimeType).toBe('application/json');
    expect(warnings).toEqual([]);
  });
});

describe('cache markers', () => {
  const marked = (text: string) => ({ type: 'text', text, cache_control: { type: 'ephemeral' } });
  const body = {
    max_tokens: 9,
    system: [marked('s')],
    messages: [{ role: 'user', content: ['a', 'b', 'c', 'd'].map(marked) }],
  };
  const marksOf = (up: unknown) => JSON.stringify(up).match(/"cache_control"|"cachePoint"/g)?.length;

  test.each([
    ['Anthropic, forwarded', TARGETS.anthropic, anthropicMessagesDialect],
    ['Anthropic', TARGETS.anthropic, { ...anthropicMessagesDialect, name: 'weir-continued' }],
    ['Bedrock', TARGETS.bedrock, anthropicMessagesDialect],
  ] satisfies readonly [string, Target, ClientDialect][])(
    'beyond four are left out for %s, but the first and the last ones',
    (_, to, dialect) => {
      const { up, params } = send(to, body, dialect);
      expect(marksOf(up)).toBe(4);
      expect(marksOf(up.system)).toBe(1);
      expect(params).toEqual(['cache_control']);
      const four = { ...body, system: 's' };
      expect(send(to, four, dialect)).toMatchObject({ warnings: [] });
      expect(marksOf(send(to, four, dialect).up)).toBe(4);
    },
  );

  test('of the whole request count', () => {
    const automatic = { ...body, system: 's', cache_control: { type: 'ephemeral' } };
    expect(marksOf(send('anthropic', automatic, anthropicMessagesDialect).up)).toBe(4);
  });
});

test('names of participants are left out where the vendor rejects them', () => {
  const messages = [{ ...user, name: 'ann' }];
  expect(send('groq', { messages })).toMatchObject({
    up: { messages: [user] },
    params: ['messages[0].name'],
  });
  expect(send('openai', { messages }).up.messages).toEqual(messages);
});

test('a tier of another vendor is left out where the vendor lists its own', () => {
  const edited: ClientDialect = { ...openAiChatDialect, name: 'weir-continued' };
  expect(send('openai', { service_tier: 'on_demand' }, edited).params).toEqual(['service_tier']);
  expect(send('groq', { service_tier: 'on_demand' }, edited).up.service_tier).toBe('on_demand');
});
