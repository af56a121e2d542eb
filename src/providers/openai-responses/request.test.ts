import { describe, expect, test } from 'bun:test';
import type { ResponseCreateParams, ResponseInputItem } from 'openai/resources/responses/responses';
import type { ChatRequest, Message } from '../../core/chat/request.ts';
import { responsesChatFormat } from './index.ts';
import { buildOptions, responsesTarget } from './test-support.ts';

const HELLO: Message = { role: 'user', content: [{ type: 'text', text: 'hi' }] };
const HELLO_ITEM: ResponseInputItem = {
  type: 'message',
  role: 'user',
  content: [{ type: 'input_text', text: 'hi' }],
};

function built(request: Partial<ChatRequest>, { model = 'gpt-4o', kind = 'openai', stream = false } = {}) {
  const { options, warnings } = buildOptions(stream);
  const { url, body } = responsesChatFormat.build(
    { messages: [HELLO], ...request },
    responsesTarget(model, kind),
    options,
  );
  return { url, body: JSON.parse(body), params: warnings.map(({ param }) => param), warnings };
}

describe('the request', () => {
  test('says as little as the client did', () => {
    const { url, body, warnings } = built({});
    expect(url).toBe('http://upstream.test/v1/responses');
    expect(body).toEqual({
      model: 'gpt-4o',
      input: [HELLO_ITEM],
      store: false,
    } satisfies ResponseCreateParams);
    expect(warnings).toEqual([]);
  });

  test('uses every parameter of the API', () => {
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    const { body, warnings } = built(
      {
        tools: [
          { type: 'function', name: 'f', description: 'd', parameters: schema },
          { type: 'function', name: 'g', strict: true },
        ],
        toolChoice: { type: 'tool', name: 'f' },
        parallelToolCalls: false,
        maxOutputTokens: 100,
        temperature: 0.5,
        topP: 0.9,
        logprobs: { top: 2 },
        responseFormat: { type: 'json-schema', name: 'n', schema, strict: true },
        verbosity: 'low',
        user: 'u',
        metadata: { a: 'b' },
        serviceTier: 'flex',
        promptCacheKey: 'k',
        choices: 1,
        modalities: ['text'],
      },
      { stream: true },
    );
    expect(warnings).toEqual([]);
    expect(body).toEqual({
      model: 'gpt-4o',
      input: [HELLO_ITEM],
      store: false,
      stream: true,
      tools: [
        { type: 'function', name: 'f', description: 'd', parameters: schema, strict: false },
        {
          type: 'function',
          name: 'g',
          parameters: { type: 'object', properties: {}, required: [], additionalProperties: false },
          strict: true,
        },
      ],
      tool_choice: { type: 'function', name: 'f' },
      parallel_tool_calls: false,
      max_output_tokens: 100,
      temperature: 0.5,
      top_p: 0.9,
      top_logprobs: 2,
      text: { format: { type: 'json_schema', name: 'n', schema, strict: true }, verbosity: 'low' },
      include: ['message.output_text.logprobs'],
      user: 'u',
      metadata: { a: 'b' },
      service_tier: 'flex',
      prompt_cache_key: 'k',
    } satisfies ResponseCreateParams);
  });

  test('warns of what the API has no word for', () => {
    const { body, params } = built({
      topK: 3,
      frequencyPenalty: 1,
      presencePenalty: 1,
      seed: 1,
      stopSequences: ['x'],
      choices: 2,
      logitBias: { 1: 1 },
      modalities: ['text', 'audio'],
      cacheControl: { type: 'ephemeral' },
      serviceTier: 'standard_only',
      maxOutputTokens: 5,
      extensions: { dialect: 'anthropic-messages', members: { container: 'c' } },
    });
    expect(params.sort()).toEqual(
      [
        'top_k',
        'frequency_penalty',
        'presence_penalty',
        'seed',
        'stop',
        'n',
        'logit_bias',
        'modalities',
        'cache_control',
        'service_tier',
        'max_tokens',
        'container',
      ].sort(),
    );
    expect(body).toEqual({ model: 'gpt-4o', input: [HELLO_ITEM], store: false, max_output_tokens: 16 });
  });

  test('says nothing of defaults', () => {
    const { warnings } = built({ frequencyPenalty: 0, presencePenalty: 0, stopSequences: [], logitBias: {} });
    expect(warnings).toEqual([]);
  });

  test('takes over members of its own dialect, and those that chat bodies share', () => {
    const own = built({
      extensions: {
        dialect: 'openai-responses',
        members: { truncation: 'auto', store: true, include: ['file_search_call.results'], text: { x: 1 } },
      },
      verbosity: 'low',
      reasoning: { effort: 'low' },
    });
    expect(own.body).toMatchObject({
      truncation: 'auto',
      store: true,
      include: ['file_search_call.results'],
      text: { x: 1, verbosity: 'low' },
    });
    const chat = built({
      extensions: {
        dialect: 'openai-chat',
        members: { store: true, safety_identifier: 's', prediction: {} },
      },
    });
    expect([chat.body.store, chat.body.safety_identifier, chat.params]).toEqual([true, 's', ['prediction']]);
  });
});

describe('reasoning', () => {
  test.each([
    ['gpt-5.6', { effort: 'max' }, { effort: 'max' }, []],
    ['gpt-5.1', { effort: 'minimal' }, { effort: 'none' }, ['reasoning_effort']],
    ['gpt-5-codex', { effort: 'minimal' }, { effort: 'low' }, ['reasoning_effort']],
    ['o3', { enabled: true }, { summary: 'auto' }, []],
    ['my-deployment', { budgetTokens: 5000 }, undefined, ['reasoning_effort']],
    ['my-deployment', { enabled: false }, undefined, []],
    ['gpt-5', { effort: 'none' }, { effort: 'minimal' }, ['reasoning_effort']],
    ['gpt-5-mini', { effort: 'xhigh' }, { effort: 'high' }, ['reasoning_effort']],
    ['openai/o4-mini', { enabled: false }, { effort: 'low' }, ['reasoning_effort']],
    ['o3', { budgetTokens: 10_000 }, { effort: 'medium', summary: 'auto' }, ['reasoning_effort']],
    ['gpt-5.2', { enabled: true }, { effort: 'medium', summary: 'auto' }, []],
    ['gpt-5.2', { effort: 'high', summary: 'detailed' }, { effort: 'high', summary: 'detailed' }, []],
    ['gpt-5.2', { effort: 'high', summary: 'none' }, { effort: 'high' }, []],
    ['gpt-5.2', { enabled: false, budgetTokens: 5 }, { effort: 'none' }, []],
    ['gpt-4o', { effort: 'high', summary: 'auto' }, undefined, ['reasoning_effort']],
    ['gpt-4.1', { enabled: false }, undefined, []],
    ['my-deployment', { effort: 'minimal' }, { effort: 'minimal' }, []],
    ['grok-3-mini', { effort: 'medium' }, { effort: 'low' }, ['reasoning_effort']],
  ] as const)('%s %j', (model, reasoning, sent, warned) => {
    const { body, params } = built({ reasoning }, { model });
    expect(body.reasoning).toEqual(sent);
    expect(params).toEqual([...warned]);
  });

  test('comes encrypted from the models that can, or that did before', () => {
    expect(built({}, { model: 'gpt-5.6' }).body.include).toEqual(['reasoning.encrypted_content']);
    expect(built({}, { model: 'gpt-4o' }).body.include).toBeUndefined();
    expect(built({}, { model: 'my-deployment' }).body.include).toBeUndefined();
    const signature = { origin: 'openai', value: 'e' } as const;
    const assistant: Message = {
      role: 'assistant',
      content: [
        { type: 'reasoning', text: '', redacted: signature },
        { type: 'text', text: 'a' },
      ],
    };
    const { body } = built({ messages: [HELLO, assistant, HELLO] }, { model: 'my-deployment' });
    expect(body.include).toEqual(['reasoning.encrypted_content']);
  });

  test('leaves no room for sampling', () => {
    const sampling = { temperature: 0.2, topP: 0.5, logprobs: {} };
    expect(built(sampling, { model: 'gpt-5' }).params).toEqual(['temperature', 'top_p', 'logprobs']);
    expect(built(sampling, { model: 'gpt-5.1' }).body).toMatchObject({ temperature: 0.2, top_p: 0.5 });
    expect(
      built({ ...sampling, reasoning: { effort: 'low' } }, { model: 'gpt-5.1' }).body.temperature,
    ).toBeUndefined();
    expect(built({ temperature: 1, topP: 1 }, { model: 'o3' }).params).toEqual([]);
  });
});

describe('tools', () => {
  test('of another kind go to their own API only', () => {
    const { body, params } = built({
      tools: [
        { type: 'unknown', dialect: 'openai-responses', name: undefined, value: { type: 'web_search' } },
        { type: 'unknown', dialect: 'anthropic-messages', name: 'bash', value: { type: 'bash_20250124' } },
        {
          type: 'unknown',
          dialect: 'openai-chat',
          name: 'c',
          value: {
            type: 'custom',
            custom: {
              name: 'c',
              format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'start: "a"' } },
            },
          },
        },
      ],
      toolChoice: { type: 'allowed', mode: 'required', names: ['c', 'f'] },
    });
    expect(body.tools).toEqual([
      { type: 'web_search' },
      { type: 'custom', name: 'c', format: { type: 'grammar', syntax: 'lark', definition: 'start: "a"' } },
    ]);
    expect(body.tool_choice).toEqual({
      type: 'allowed_tools',
      mode: 'required',
      tools: [
        { type: 'function', name: 'c' },
        { type: 'function', name: 'f' },
      ].map((tool, index) => (index === 0 ? { type: 'custom', name: 'c' } : tool)),
    });
    expect(params).toEqual(['tools[1]']);
  });
});
