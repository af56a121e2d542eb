import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { at, listAt, textAt, valueAt } from '../compat/answer.ts';
import { dataEvents, eventStream, json } from '../support/scripts.ts';
import { ANSWERS, type Families, startFamilies } from './helpers/families.ts';
import {
  CALL,
  CHAT,
  CONVERSE,
  chat,
  GEMINI,
  RESPONSE,
  recordedCall,
  TOOL,
  user,
} from './helpers/translation.ts';

/** The pitfalls of translation, by their numbers; others are in pitfalls*.test.ts. */

let families: Families;
beforeAll(async () => {
  families = await startFamilies();
});
afterAll(() => families.stop());

test('3: parallel calls have indices of their own, also where the upstream gives each 0 or none', async () => {
  for (const index of [0, undefined]) {
    const call = (id: string) => ({ ...CALL(id), ...(index === undefined ? {} : { index }) });
    const chunk = (delta: unknown, finish: string | null = null) => ({
      id: 'c',
      choices: [{ index: 0, delta, finish_reason: finish }],
    });
    families.mock.respond(
      eventStream(
        dataEvents([
          chunk({ tool_calls: [call('one')] }),
          chunk({ tool_calls: [call('two')] }),
          chunk({}, 'tool_calls'),
        ]),
      ),
    );
    const message = await families.anthropic.messages
      .stream({ model: 'chat', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] })
      .finalMessage();
    expect(message.content).toMatchObject([
      { type: 'tool_use', id: 'one', input: { a: 'b' } },
      { type: 'tool_use', id: 'two', input: { a: 'b' } },
    ]);
    expect(message.stop_reason).toBe('tool_use');
  }
});

test('4: Azure’s chunks without choices, id or delta do not trouble a client', async () => {
  const chunks = [
    { id: '', object: '', created: 0, model: '', choices: [], prompt_filter_results: [{ prompt_index: 0 }] },
    {
      id: 'c1',
      created: 7,
      model: 'up',
      choices: [{ index: 0, delta: { role: 'assistant', content: 'He' } }],
    },
    { id: '', object: '', created: 0, choices: [{ index: 0, content_filter_results: { hate: {} } }] },
    {
      id: 'c1',
      created: 7,
      model: 'up',
      choices: [{ index: 0, delta: { content: 'y' }, finish_reason: 'stop' }],
    },
  ];
  families.mock.respond(eventStream(dataEvents(chunks)));
  let text = '';
  for await (const chunk of await families.openai.chat.completions.create({
    model: 'azure',
    stream: true,
    messages: [{ role: 'user', content: 'Hi' }],
  })) {
    expect(chunk.id).toBe('c1');
    for (const choice of chunk.choices) text += choice.delta.content ?? '';
  }
  expect(text).toBe('Hey');
  expect(families.mock.requests.at(-1)?.target).toBe(
    '/azure/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21',
  );
});

describe('11: empty content', () => {
  const history = [
    user('Hi'),
    { role: 'assistant', content: null, tool_calls: [CALL('c1')] },
    { role: 'tool', tool_call_id: 'c1', content: '' },
    user(''),
  ];

  test('Bedrock gets no empty text and no empty result', async () => {
    const { sent } = await recordedCall(
      families,
      { ...chat('bedrock'), messages: history, tools: [TOOL('look')] },
      CONVERSE(),
    );
    expect(JSON.stringify(sent)).not.toContain('"text":""');
    expect(listAt(sent, 'messages', 2, 'content', 0, 'toolResult', 'content')).toHaveLength(1);
  });

  test('Ollama gets an empty text, not null', async () => {
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'look', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1' }] },
    ];
    const { sent } = await recordedCall(
      families,
      { model: 'ollama', max_tokens: 9, messages },
      CHAT(),
      '/v1/messages',
    );
    expect(valueAt(sent, 'messages', 1, 'content')).toBe('');
    expect(JSON.stringify(sent)).not.toContain('"tool_calls":null');
  });
});

describe('12: why an answer ended', () => {
  test('`stop` although tools are called is tool_calls', async () => {
    const { body } = await recordedCall(
      families,
      { model: 'chat', max_tokens: 9, messages: [user('Hi')] },
      ANSWERS.chat({ content: null, tool_calls: [CALL('c1')] }, 'stop'),
      '/v1/messages',
    );
    expect(valueAt(body, 'stop_reason')).toBe('tool_use');
  });

  test('JSON that was forced through a tool ends in stop, as text', async () => {
    const format = {
      type: 'json_schema',
      json_schema: { name: 'x', schema: { type: 'object', properties: {} } },
    };
    const converse = json({
      output: {
        message: { content: [{ toolUse: { toolUseId: 't', name: 'json_answer', input: { a: 1 } } }] },
      },
      stopReason: 'tool_use',
      usage: {},
    });
    const { body } = await recordedCall(families, chat('bedrock', { response_format: format }), converse);
    expect(valueAt(body, 'choices', 0, 'message', 'content')).toBe('{"a":1}');
    expect(valueAt(body, 'choices', 0, 'finish_reason')).toBe('stop');
  });
});

test('15: developer messages reach upstreams that know only system', async () => {
  const messages = [{ role: 'developer', content: 'Be brief.' }, user('Hi')];
  const claude = await recordedCall(families, { model: 'claude', messages });
  expect(textAt(claude.sent, 'system', 0, 'text')).toBe('Be brief.');
  const mistral = await recordedCall(
    families,
    { model: 'mistral', input: [{ role: 'developer', content: 'Be brief.' }, user('Hi')] },
    CHAT(),
    '/v1/responses',
  );
  expect(valueAt(mistral.sent, 'messages', 0)).toEqual({ role: 'system', content: 'Be brief.' });
});

test('16: the limit of an answer has the name that the model’s family takes', async () => {
  const limits = { max_tokens: 77 };
  expect(
    (await recordedCall(families, { model: 'responses', messages: [user('Hi')], ...limits }, RESPONSE())).sent
      .max_output_tokens,
  ).toBe(77);
  const messages = { max_tokens: 77, messages: [user('Hi')] };
  expect(
    (await recordedCall(families, { model: 'chat/gpt-5-mini', ...messages }, CHAT(), '/v1/messages')).sent,
  ).toMatchObject({
    max_completion_tokens: 77,
  });
  expect(
    (await recordedCall(families, { model: 'chat/gpt-4o', ...messages }, CHAT(), '/v1/messages')).sent,
  ).toMatchObject(limits);
});

test('17: thinking and its signature survive a turn, and an empty signed block too', async () => {
  const thinking = [
    { type: 'thinking', thinking: 'Hm.', signature: 's1' },
    { type: 'thinking', thinking: '', signature: 's2' },
    { type: 'redacted_thinking', data: 'r1' },
  ];
  const first = await recordedCall(
    families,
    chat('claude'),
    ANSWERS.claude([...thinking, { type: 'text', text: 'Hello.' }]),
  );
  const message = at(first.body, 'choices', 0, 'message');
  const second = await recordedCall(families, {
    model: 'claude',
    messages: [user('Hi'), message, user('And?')],
  });
  expect(listAt(second.sent, 'messages', 1, 'content').slice(0, 3)).toEqual(thinking);
});

test('18: Gemini’s thought signatures come back with their calls, through every dialect', async () => {
  const signed = ANSWERS.gemini([{ functionCall: { name: 'look', args: {} }, thoughtSignature: 'g1' }]);
  const first = await recordedCall(families, chat('gemini', { tools: [TOOL('look')] }), signed);
  const message = at(first.body, 'choices', 0, 'message');
  expect(textAt(message, 'tool_calls', 0, 'extra_content', 'google', 'thought_signature')).toBe('g1');
  const result = { role: 'tool', tool_call_id: textAt(message, 'tool_calls', 0, 'id'), content: 'ok' };
  const second = await recordedCall(
    families,
    { model: 'gemini', messages: [user('Hi'), message, result] },
    GEMINI(),
  );
  expect(textAt(second.sent, 'contents', 1, 'parts', 0, 'thoughtSignature')).toBe('g1');
});

test('19: reasoning is shown under the name that clients know, and sent back where it is wanted', async () => {
  const { body } = await recordedCall(
    families,
    { model: 'chat', max_tokens: 9, messages: [user('Hi')] },
    ANSWERS.chat({ content: 'Hello.', reasoning: 'Hm.' }),
    '/v1/messages',
  );
  expect(listAt(body, 'content')[0]).toMatchObject({ type: 'thinking', thinking: 'Hm.' });
  const gemini = await recordedCall(
    families,
    chat('gemini'),
    ANSWERS.gemini([{ text: 'Hm.', thought: true }, { text: 'Hello.' }]),
  );
  expect(valueAt(gemini.body, 'choices', 0, 'message', 'reasoning_content')).toBe('Hm.');
});

test('20: cache marks reach those who know them, with their ttl, and are a warning elsewhere', async () => {
  const content = [{ type: 'text', text: 'Long.', cache_control: { type: 'ephemeral', ttl: '1h' } }];
  const claude = await recordedCall(families, { model: 'claude', messages: [user(content)] });
  expect(valueAt(claude.sent, 'messages', 0, 'content', 0, 'cache_control')).toEqual({
    type: 'ephemeral',
    ttl: '1h',
  });
  const bedrock = await recordedCall(families, { model: 'bedrock', messages: [user(content)] }, CONVERSE());
  expect(valueAt(bedrock.sent, 'messages', 0, 'content', 1)).toEqual({
    cachePoint: { type: 'default', ttl: '1h' },
  });
  const chatBody = { model: 'chat', max_tokens: 9, messages: [user(content)] };
  const plain = await recordedCall(families, chatBody, CHAT(), '/v1/messages');
  expect(JSON.stringify(plain.sent)).not.toContain('cache_control');
  expect(plain.warnings).toContain('param="cache_control"');
});

test('21: input counts its cached part in OpenAI’s dialect, and does not in Anthropic’s', async () => {
  const claude = await recordedCall(families, chat('claude'));
  expect(valueAt(claude.body, 'usage')).toMatchObject({
    prompt_tokens: 10,
    completion_tokens: 5,
    total_tokens: 15,
    prompt_tokens_details: { cached_tokens: 3 },
  });
  const cached = json({
    id: 'c',
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 10, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 3 } },
  });
  const messages = await recordedCall(
    families,
    { model: 'chat', max_tokens: 9, messages: [user('Hi')] },
    cached,
    '/v1/messages',
  );
  expect(valueAt(messages.body, 'usage')).toMatchObject({
    input_tokens: 7,
    cache_read_input_tokens: 3,
    output_tokens: 5,
  });
});
