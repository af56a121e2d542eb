import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { at, listAt, textAt, valueAt } from '../compat/answer.ts';
import { dataEvents, eventStream, json } from '../support/scripts.ts';
import { ANSWERS, type Families, lastBody, startFamilies } from './helpers/families.ts';
import { CHAT, CLAUDE, events, RESPONSE, recordedCall } from './helpers/translation.ts';

/** Free-text tools and groups of tools, for upstreams that have functions only. */

let families: Families;
beforeAll(async () => {
  families = await startFamilies();
});
afterAll(() => families.stop());

const GRAMMAR = 'start: "begin" LINE+ "end"';
const PATCH = {
  type: 'custom' as const,
  name: 'apply_patch',
  description: 'Edits files.',
  format: { type: 'grammar' as const, syntax: 'lark' as const, definition: GRAMMAR },
};
const GROUP = {
  type: 'namespace' as const,
  name: 'mcp__shop',
  description: 'The tools of a shop.',
  tools: [
    { type: 'function' as const, name: 'find', description: 'Finds goods.', parameters: { type: 'object' } },
    { type: 'custom' as const, name: 'query' },
  ],
};
const INPUT = 'begin\n"quoted" \\ back ünï 💧\tend';

const chatAnswer = (name: string, text: string) =>
  ANSWERS.chat(
    { content: null, tool_calls: [{ id: 'call_1', type: 'function', function: { name, arguments: text } }] },
    'tool_calls',
  );

/** A stream whose arguments come in pieces of a few characters, which cut escapes too. */
function chatStream(name: string, text: string, size: number) {
  const pieces: string[] = [];
  for (let start = 0; start < text.length; start += size) pieces.push(text.slice(start, start + size));
  const delta = (call: object, finish: string | null = null) => ({
    id: 'c',
    choices: [{ index: 0, delta: { tool_calls: [{ index: 0, ...call }] }, finish_reason: finish }],
  });
  return eventStream(
    dataEvents([
      delta({ id: 'call_1', type: 'function', function: { name, arguments: '' } }),
      ...pieces.map((piece) => delta({ function: { arguments: piece } })),
      { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
    ]),
  );
}

/** JSON as models also write it: with escapes for what needs none. */
const escaped = (text: string) =>
  JSON.stringify(text).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

describe('a free-text tool', () => {
  for (const model of ['chat', 'claude', 'gemini', 'bedrock', 'cohere', 'mistral', 'ollama']) {
    test(`is a function with its grammar in the description: ${model}`, async () => {
      families.mock.respond(CHAT());
      const body = { model, input: 'patch it', tools: [PATCH] };
      const response = await families.post('/v1/responses', body);
      await response.text();
      const sent = JSON.stringify(lastBody(families.mock));
      expect(sent).toContain('apply_patch');
      expect(sent).toContain('LINE+');
      expect(sent).toContain('"input"');
      expect(response.headers.get('x-weir-warnings') ?? '').not.toContain('apply_patch');
    });
  }

  test('is given back as a custom call', async () => {
    const { body, sent } = await recordedCall(
      families,
      {
        model: 'chat',
        input: 'patch it',
        tools: [PATCH],
        tool_choice: { type: 'custom', name: 'apply_patch' },
      },
      chatAnswer('apply_patch', JSON.stringify({ input: INPUT })),
      '/v1/responses',
    );
    expect(valueAt(sent, 'tool_choice')).toEqual({ type: 'function', function: { name: 'apply_patch' } });
    expect(at(sent, 'tools', 0, 'function')).toEqual({
      name: 'apply_patch',
      description: `Edits files.\n\n"input" must match this grammar (lark):\n\n${GRAMMAR}`,
      parameters: {
        type: 'object',
        properties: {
          input: { type: 'string', description: 'The complete input of the tool, as plain text.' },
        },
        required: ['input'],
      },
    });
    expect(at(body, 'output', 0)).toMatchObject({
      type: 'custom_tool_call',
      call_id: 'call_1',
      name: 'apply_patch',
      input: INPUT,
    });
  });

  for (const size of [1, 2, 3, 7, 1_000]) {
    for (const write of [JSON.stringify, escaped]) {
      test(`is streamed with its own events, in pieces of ${size} (${write.name})`, async () => {
        families.mock.respond(chatStream('apply_patch', `{ "input" : ${write(INPUT)}}`, size));
        const stream = families.openai.responses.stream({ model: 'chat', input: 'Hi', tools: [PATCH] });
        let joined = '';
        let done = '';
        const types: string[] = [];
        for await (const event of stream) {
          types.push(event.type);
          if (event.type === 'response.custom_tool_call_input.delta') joined += event.delta;
          if (event.type === 'response.custom_tool_call_input.done') done = event.input;
        }
        expect([joined, done]).toEqual([INPUT, INPUT]);
        expect(types).not.toContain('response.function_call_arguments.done');
        const response = await stream.finalResponse();
        expect(response.output).toMatchObject([
          { type: 'custom_tool_call', name: 'apply_patch', input: INPUT },
        ]);
        expect(response.output).toHaveLength(1);
      });
    }
  }

  test('accepts what models write instead of the argument', async () => {
    const written: readonly (readonly [string, string])[] = [
      ['bare text', 'bare text'],
      ['"a JSON text"', 'a JSON text'],
      ['{"patch":"by another name"}', 'by another name'],
      ['{"input":"cut off', 'cut off'],
      ['{}', ''],
      ['{"a":1,"b":2}', '{"a":1,"b":2}'],
    ];
    for (const [text, input] of written) {
      const request = { model: 'chat', input: 'Hi', tools: [PATCH] };
      families.mock.respond(chatAnswer('apply_patch', text));
      const plain = await families.openai.responses.create(request);
      expect(textAt(plain.output[0], 'input')).toBe(input);
      families.mock.respond(chatStream('apply_patch', text, 2));
      const streamed = await families.openai.responses.stream(request).finalResponse();
      expect(textAt(streamed.output[0], 'input')).toBe(input);
    }
  });

  test('of chat completions is a function for vendors of the format that lack it', async () => {
    const tool = { type: 'custom', custom: { name: 'sql', description: 'Runs SQL.' } };
    const body = { model: 'ollama', messages: [{ role: 'user', content: 'Hi' }], tools: [tool], min_p: 0.1 };
    const answer = chatAnswer('sql', '{"input":"SELECT 1"}');
    const plain = await recordedCall(families, body, answer);
    expect(at(plain.sent, 'tools', 0, 'function')).toMatchObject({ name: 'sql', description: 'Runs SQL.' });
    expect(plain.sent.min_p).toBe(0.1);
    expect(at(plain.body, 'choices', 0, 'message', 'tool_calls', 0)).toMatchObject({
      type: 'custom',
      custom: { name: 'sql', input: 'SELECT 1' },
    });
    const stream = chatStream('sql', '{"input":"SELECT 1"}', 4);
    const streamed = await recordedCall(families, { ...body, stream: true }, stream);
    const calls = events(streamed.text).flatMap((event) =>
      listAt(event, 'choices', 0, 'delta', 'tool_calls'),
    );
    expect(calls.map((call) => textAt(call, 'custom', 'input')).join('')).toBe('SELECT 1');
    const tools = ['a', 'b'].map((name) => ({ type: 'function', function: { name } }));
    const tool_choice = {
      type: 'allowed_tools',
      allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'b' } }] },
    };
    const chosen = await recordedCall(families, { ...body, tools, tool_choice }, CHAT());
    expect(listAt(chosen.sent, 'tools').map((one) => textAt(one, 'function', 'name'))).toEqual(['b']);
    expect(valueAt(chosen.sent, 'tool_choice')).toBe('required');
    // Others receive it as it is.
    const forwarded = await recordedCall(families, { ...body, model: 'chat' }, CHAT());
    expect(listAt(forwarded.sent, 'tools')).toEqual([tool]);
  });

  test('of chat completions works the same', async () => {
    const tool = {
      type: 'custom',
      custom: {
        name: 'sql',
        format: { type: 'grammar', grammar: { syntax: 'regex', definition: '^SELECT' } },
      },
    };
    const body = { messages: [{ role: 'user', content: 'Hi' }], tools: [tool] };
    const answer = ANSWERS.claude(
      [{ type: 'tool_use', id: 'toolu_1', name: 'sql', input: { input: 'SELECT 1' } }],
      'tool_use',
    );
    const first = await recordedCall(families, { model: 'claude', ...body }, answer);
    expect(textAt(first.sent, 'tools', 0, 'description')).toContain('^SELECT');
    expect(at(first.body, 'choices', 0, 'message', 'tool_calls', 0)).toMatchObject({
      type: 'custom',
      custom: { name: 'sql', input: 'SELECT 1' },
    });
    const messages = [
      ...body.messages,
      valueAt(first.body, 'choices', 0, 'message'),
      { role: 'tool', tool_call_id: 'toolu_1', content: '1' },
    ];
    const second = await recordedCall(families, { model: 'claude', tools: [tool], messages });
    expect(at(second.sent, 'messages', 1, 'content', 0)).toEqual({
      type: 'tool_use',
      id: 'toolu_1',
      name: 'sql',
      input: { input: 'SELECT 1' },
    });
  });
});

describe('a group of tools', () => {
  test('is flattened, and its calls are given back with name and namespace', async () => {
    const { sent, body, warnings } = await recordedCall(
      families,
      { model: 'chat', input: 'Hi', tools: [GROUP, PATCH] },
      ANSWERS.chat(
        {
          content: null,
          tool_calls: [
            { id: 'a', type: 'function', function: { name: 'mcp__shop__find', arguments: '{"q":1}' } },
            { id: 'b', type: 'function', function: { name: 'mcp__shop__query', arguments: '{"input":"x"}' } },
          ],
        },
        'tool_calls',
      ),
      '/v1/responses',
    );
    expect(warnings).toBe('');
    expect(listAt(sent, 'tools').map((tool) => textAt(tool, 'function', 'name'))).toEqual([
      'mcp__shop__find',
      'mcp__shop__query',
      'apply_patch',
    ]);
    expect(textAt(sent, 'tools', 0, 'function', 'description')).toBe(
      'Finds goods.\n\nTools whose names begin with "mcp__shop__": The tools of a shop.',
    );
    expect(listAt(body, 'output')).toMatchObject([
      { type: 'function_call', call_id: 'a', name: 'find', namespace: 'mcp__shop', arguments: '{"q":1}' },
      { type: 'custom_tool_call', call_id: 'b', name: 'query', namespace: 'mcp__shop', input: 'x' },
    ]);
  });

  test('is streamed so', async () => {
    families.mock.respond(chatStream('mcp__shop__find', '{"q":1}', 3));
    const stream = families.openai.responses.stream({ model: 'chat', input: 'Hi', tools: [GROUP] });
    const added: unknown[] = [];
    for await (const event of stream) {
      if (event.type === 'response.output_item.added') added.push(event.item);
    }
    expect(added).toMatchObject([{ type: 'function_call', name: 'find', namespace: 'mcp__shop' }]);
    const { output } = await stream.finalResponse();
    expect(output).toMatchObject([{ name: 'find', namespace: 'mcp__shop', arguments: '{"q":1}' }]);
  });

  test('returns in the history, with the same names', async () => {
    const input = [
      { role: 'user', content: 'Hi' },
      { type: 'function_call', call_id: 'a', name: 'find', namespace: 'mcp__shop', arguments: '{}' },
      { type: 'custom_tool_call', call_id: 'b', name: 'apply_patch', input: INPUT },
      { type: 'function_call_output', call_id: 'a', output: 'one' },
      { type: 'custom_tool_call_output', call_id: 'b', output: 'two' },
    ];
    for (const tools of [[GROUP, PATCH], undefined]) {
      const { sent } = await recordedCall(
        families,
        { model: 'chat', input, ...(tools ? { tools } : {}) },
        CHAT(),
        '/v1/responses',
      );
      expect(listAt(sent, 'messages', 1, 'tool_calls')).toEqual([
        { id: 'a', type: 'function', function: { name: 'mcp__shop__find', arguments: '{}' } },
        {
          id: 'b',
          type: 'function',
          function: { name: 'apply_patch', arguments: JSON.stringify({ input: INPUT }) },
        },
      ]);
      expect(listAt(sent, 'messages').slice(2)).toMatchObject([
        { role: 'tool', tool_call_id: 'a', content: 'one' },
        { role: 'tool', tool_call_id: 'b', content: 'two' },
      ]);
    }
    const claude = await recordedCall(families, { model: 'claude', input }, CLAUDE(), '/v1/responses');
    expect(at(claude.sent, 'messages', 1, 'content', 1)).toMatchObject({ input: { input: INPUT } });
  });

  test('has names that every vendor accepts, even where they collide or are long', async () => {
    const long = 'a_name_that_says_everything_about_the_tool_and_more_than_fits_in_it';
    const tools = [
      { type: 'function', name: 'shop__find', parameters: { type: 'object' } },
      { type: 'namespace', name: 'shop', description: '', tools: [{ type: 'function', name: 'find' }] },
      { type: 'namespace', name: 'shop__', description: '', tools: [{ type: 'function', name: 'find' }] },
      { type: 'namespace', name: 'a.b/c', description: '', tools: [{ type: 'function', name: long }] },
    ];
    const first = await recordedCall(
      families,
      { model: 'chat', input: 'Hi', tools },
      CHAT(),
      '/v1/responses',
    );
    const names = listAt(first.sent, 'tools').map((tool) => textAt(tool, 'function', 'name'));
    expect(new Set(names).size).toBe(4);
    expect(names.filter((name) => !/^[\w-]{1,64}$/.test(name))).toEqual([]);
    const calls = names.map((name, index) => ({
      id: `call_${index}`,
      type: 'function',
      function: { name, arguments: '{}' },
    }));
    const answer = ANSWERS.chat({ content: null, tool_calls: calls }, 'tool_calls');
    const { body } = await recordedCall(
      families,
      { model: 'chat', input: 'Hi', tools },
      answer,
      '/v1/responses',
    );
    const shown = listAt(body, 'output').map((item) => [textAt(item, 'namespace'), textAt(item, 'name')]);
    expect(shown).toEqual([
      ['', 'shop__find'],
      ['shop', 'find'],
      ['shop__', 'find'],
      ['a.b/c', long],
    ]);
  });
});

describe('the choice of a tool', () => {
  const sentWith = async (model: string, more: object) => {
    const body = { model, input: 'Hi', tools: [GROUP, PATCH], ...more };
    const { sent, warnings, response } = await recordedCall(families, body, CHAT(), '/v1/responses');
    return { sent, warnings, response };
  };

  test('names the functions that stand for the tools', async () => {
    const named = (name: string) => ({ type: 'function', function: { name } });
    const one = await sentWith('chat', {
      tool_choice: { type: 'function', name: 'find', namespace: 'mcp__shop' },
    });
    expect(valueAt(one.sent, 'tool_choice')).toEqual(named('mcp__shop__find'));
    const custom = await sentWith('chat', {
      tool_choice: { type: 'custom', name: 'query', namespace: 'mcp__shop' },
    });
    expect(valueAt(custom.sent, 'tool_choice')).toEqual(named('mcp__shop__query'));
  });

  test('among several offers those only', async () => {
    const allowed = (mode: string, ...tools: readonly object[]) => ({
      tool_choice: { type: 'allowed_tools', mode, tools },
    });
    const names = (sent: unknown) =>
      listAt(sent, 'tools').map((tool) => textAt(tool, 'function', 'name') || textAt(tool, 'name'));
    const custom = { type: 'custom', name: 'apply_patch' };
    const group = { type: 'namespace', name: 'mcp__shop' };
    const member = { type: 'function', name: 'find', namespace: 'mcp__shop' };
    const mistral = await sentWith('mistral', allowed('required', custom, member));
    expect(names(mistral.sent)).toEqual(['mcp__shop__find', 'apply_patch']);
    expect(valueAt(mistral.sent, 'tool_choice')).toBe('required');
    const whole = await sentWith('mistral', allowed('auto', group));
    expect(names(whole.sent)).toEqual(['mcp__shop__find', 'mcp__shop__query']);
    expect(valueAt(whole.sent, 'tool_choice')).toBe('auto');
    families.mock.respond(CLAUDE());
    await families.post('/v1/responses', {
      model: 'claude',
      input: 'Hi',
      tools: [GROUP, PATCH],
      ...allowed('auto', custom),
    });
    expect(names(lastBody(families.mock))).toEqual(['apply_patch']);
  });

  test('of a tool that runs at its vendor is left out with a warning', async () => {
    const search = { type: 'web_search_preview' };
    for (const tool_choice of [search, { type: 'allowed_tools', mode: 'auto', tools: [search] }]) {
      const { sent, warnings } = await sentWith('chat', { tools: [search, PATCH], tool_choice });
      expect(valueAt(sent, 'tool_choice')).toBeUndefined();
      expect(warnings).toContain('param="tool_choice"');
    }
  });

  test('and parallel calls are not sent where no tool is left', async () => {
    const { sent, warnings } = await sentWith('chat', {
      tools: [{ type: 'file_search', vector_store_ids: ['v'] }],
      tool_choice: 'required',
      parallel_tool_calls: true,
    });
    expect(Object.keys(sent).filter((name) => name.includes('tool'))).toEqual([]);
    expect(warnings).toContain('file_search');
    const chat = { model: 'responses', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] };
    families.mock.respond(CHAT());
    await families.post('/v1/messages', {
      ...chat,
      tools: [],
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
    });
    expect(valueAt(lastBody(families.mock), 'parallel_tool_calls')).toBeUndefined();
  });
});

describe('vendors with a Responses API that has functions only', () => {
  let others: Families;
  beforeAll(async () => {
    others = await startFamilies(({ url }) => ({
      providers: [
        {
          id: 'vllm',
          kind: 'openai-compatible',
          engine: 'vllm',
          api: 'responses',
          base_url: `${url}/vllm/v1`,
          discover: false,
        },
        {
          id: 'xai',
          kind: 'openai-compatible',
          vendor: 'xai',
          base_url: `${url}/xai/v1`,
          api_key: 'k',
          discover: false,
        },
      ],
      models: ['vllm', 'xai'].map((id) => ({ id, targets: [{ provider: id, model: 'm' }] })),
    }));
  });
  afterAll(() => others.stop());

  const tools = [GROUP, PATCH];
  const allowed = {
    type: 'allowed_tools',
    mode: 'required',
    tools: [{ type: 'custom', name: 'apply_patch' }],
  };

  test('receive functions in their format, and calls are given back', async () => {
    const call = {
      type: 'function_call',
      id: 'fc_1',
      call_id: 'c',
      name: 'apply_patch',
      arguments: '{"input":"x"}',
    };
    const answer = json({
      id: 'resp_up',
      object: 'response',
      status: 'completed',
      model: 'm',
      output: [call],
    });
    const body = { model: 'vllm', input: 'Hi', tools };
    const { sent, body: shown } = await recordedCall(others, body, answer, '/v1/responses');
    expect(listAt(sent, 'tools').map((tool) => [textAt(tool, 'type'), textAt(tool, 'name')])).toEqual([
      ['function', 'mcp__shop__find'],
      ['function', 'mcp__shop__query'],
      ['function', 'apply_patch'],
    ]);
    expect(at(shown, 'output', 0)).toMatchObject({ type: 'custom_tool_call', call_id: 'c', input: 'x' });
    const chosen = await recordedCall(others, { ...body, tool_choice: allowed }, answer, '/v1/responses');
    expect(listAt(chosen.sent, 'tools').map((tool) => textAt(tool, 'name'))).toEqual(['apply_patch']);
    expect(chosen.sent.tool_choice).toBe('required');
  });

  test('are asked in their other format where that is the one of translated requests', async () => {
    const body = { model: 'xai', input: 'Hi', tools };
    const { body: shown } = await recordedCall(
      others,
      body,
      chatAnswer('mcp__shop__find', '{}'),
      '/v1/responses',
    );
    expect(others.mock.requests.at(-1)?.path).toBe('/xai/v1/chat/completions');
    expect(at(shown, 'output', 0)).toMatchObject({ name: 'find', namespace: 'mcp__shop' });
    const plain = { type: 'function', name: 'look', parameters: { type: 'object' } };
    const forwarded = { model: 'xai', input: 'Hi', tools: [plain] };
    const { sent } = await recordedCall(others, forwarded, RESPONSE(), '/v1/responses');
    expect(others.mock.requests.at(-1)?.path).toBe('/xai/v1/responses');
    expect(listAt(sent, 'tools')).toEqual([plain]);
  });
});
