import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { at, listAt, textAt, valueAt } from '../compat/answer.ts';
import { dataEvents, eventStream, json, type ResponseScript } from '../support/scripts.ts';
import { ANSWERS, bodyOf, type Families, lastBody, startFamilies } from './helpers/families.ts';
import { CHAT, CLAUDE, CONVERSE, events, RESPONSE } from './helpers/translation.ts';

/**
 * Signatures come back to the vendor that gave them, through clients of every dialect: also through those that return only
 * the members of their dialect, and where another vendor responds in between.
 */

let families: Families;
beforeAll(async () => {
  families = await startFamilies();
});
afterAll(() => families.stop());

const SIGNATURE = 'CiQB+/0LSkZ5YSBzaWduYXR1cmUgb2YgdGhvdWdodHM=';
const CALL_PARTS = [
  { text: 'I should look.', thought: true },
  { functionCall: { name: 'look', args: { a: 'b' } }, thoughtSignature: SIGNATURE },
  { functionCall: { name: 'look', args: { a: 'c' } } },
];
const TEXT_PARTS = [{ text: 'Hello.', thoughtSignature: SIGNATURE }];
const PARAMETERS = { type: 'object' as const, properties: { a: { type: 'string' } } };

const geminiStream = (parts: readonly object[]) =>
  eventStream(
    dataEvents(
      [
        ...parts.map((part) => ({
          responseId: 'gem1',
          candidates: [{ index: 0, content: { role: 'model', parts: [part] } }],
        })),
        { responseId: 'gem1', candidates: [{ index: 0, content: { parts: [] }, finishReason: 'STOP' }] },
      ],
      { done: false },
    ),
  );
const gemini = (parts: readonly object[], stream: boolean): ResponseScript =>
  stream ? geminiStream(parts) : ANSWERS.gemini(parts);

const pick = (value: object, names: readonly string[]) =>
  Object.fromEntries(Object.entries(value).filter(([name]) => names.includes(name)));

/** A client that returns only what its dialect defines. */
interface Dialect {
  readonly name: string;
  readonly path: string;
  /** The first request. */
  body(model: string): Readonly<Record<string, unknown>>;
  /** The turn of the model as the client keeps it. */
  turn(response: unknown): readonly object[];
  /** The turn of a stream. */
  streamed(events: readonly unknown[]): readonly object[];
  result(turn: readonly object[]): readonly object[];
  next(model: string, turn: readonly object[], result: readonly object[]): Readonly<Record<string, unknown>>;
}

const callsOf = (turn: readonly object[]) => listAt(turn[0], 'tool_calls').filter((call) => call !== null);
const CHAT_CALL = ['id', 'type', 'function'];

const DIALECTS: readonly Dialect[] = [
  {
    name: 'chat completions',
    path: '/v1/chat/completions',
    body: (model) => ({
      model,
      messages: [{ role: 'user', content: 'Hi' }],
      tools: [{ type: 'function', function: { name: 'look', parameters: PARAMETERS } }],
    }),
    turn: (response) => {
      const message = at(response, 'choices', 0, 'message');
      const calls = listAt(message, 'tool_calls').map((call) => pick(Object(call), CHAT_CALL));
      return [
        { role: 'assistant', content: message.content, ...(calls.length > 0 ? { tool_calls: calls } : {}) },
      ];
    },
    streamed: (chunks) => {
      const calls: { id: string; type: string; function: { name: string; arguments: string } }[] = [];
      let content = '';
      for (const chunk of chunks) {
        const delta = at(chunk, 'choices', 0, 'delta');
        content += textAt(delta, 'content');
        for (const piece of listAt(delta, 'tool_calls')) {
          const index = Number(valueAt(piece, 'index'));
          calls[index] ??= { id: '', type: 'function', function: { name: '', arguments: '' } };
          calls[index].id += textAt(piece, 'id');
          calls[index].function.name += textAt(piece, 'function', 'name');
          calls[index].function.arguments += textAt(piece, 'function', 'arguments');
        }
      }
      return [{ role: 'assistant', content, ...(calls.length > 0 ? { tool_calls: calls } : {}) }];
    },
    result: (turn) =>
      callsOf(turn).map((call) => ({ role: 'tool', tool_call_id: textAt(call, 'id'), content: 'seen' })),
    next(model, turn, result) {
      return { ...this.body(model), messages: [{ role: 'user', content: 'Hi' }, ...turn, ...result] };
    },
  },
  {
    name: 'responses',
    path: '/v1/responses',
    body: (model) => ({
      model,
      store: false,
      input: [{ role: 'user', content: 'Hi' }],
      tools: [{ type: 'function', name: 'look', parameters: PARAMETERS, strict: false }],
    }),
    turn: (response) => listAt(response, 'output').map(keptItem),
    streamed: (all) =>
      all.flatMap((event) =>
        textAt(event, 'type') === 'response.output_item.done' ? [keptItem(valueAt(event, 'item'))] : [],
      ),
    result: (turn) =>
      turn
        .filter((item) => textAt(item, 'type') === 'function_call')
        .map((item) => ({
          type: 'function_call_output',
          call_id: textAt(item, 'call_id'),
          output: 'seen',
        })),
    next(model, turn, result) {
      return { ...this.body(model), input: [{ role: 'user', content: 'Hi' }, ...turn, ...result] };
    },
  },
  {
    name: 'messages',
    path: '/v1/messages',
    body: (model) => ({
      model,
      max_tokens: 2_000,
      thinking: { type: 'enabled', budget_tokens: 1_024 },
      messages: [{ role: 'user', content: 'Hi' }],
      tools: [{ name: 'look', input_schema: PARAMETERS }],
    }),
    turn: (response) => [{ role: 'assistant', content: valueAt(response, 'content') }],
    streamed: (all) => {
      const blocks: Record<string, unknown>[] = [];
      for (const event of all) {
        const index = Number(valueAt(event, 'index'));
        if (textAt(event, 'type') === 'content_block_start')
          blocks[index] = { ...at(event, 'content_block') };
        const block = blocks[index];
        if (textAt(event, 'type') !== 'content_block_delta' || !block) continue;
        const delta = at(event, 'delta');
        if (block.type === 'text') block.text = textAt(block, 'text') + textAt(delta, 'text');
        if (block.type === 'thinking') {
          block.thinking = textAt(block, 'thinking') + textAt(delta, 'thinking');
          block.signature = textAt(block, 'signature') + textAt(delta, 'signature');
        }
        if (block.type === 'tool_use') block.input = JSON.parse(textAt(delta, 'partial_json'));
      }
      return [{ role: 'assistant', content: blocks }];
    },
    result: (turn) => [
      {
        role: 'user',
        content: listAt(turn[0], 'content').flatMap((block) =>
          textAt(block, 'type') === 'tool_use'
            ? [{ type: 'tool_result', tool_use_id: textAt(block, 'id'), content: 'seen' }]
            : [],
        ),
      },
    ],
    next(model, turn, result) {
      return { ...this.body(model), messages: [{ role: 'user', content: 'Hi' }, ...turn, ...result] };
    },
  },
];

/** Items as clients keep them: with the members of the published types. */
function keptItem(item: unknown): object {
  const names: Readonly<Record<string, readonly string[]>> = {
    message: ['id', 'type', 'role', 'content', 'status'],
    reasoning: ['id', 'type', 'summary', 'encrypted_content'],
    function_call: ['type', 'call_id', 'name', 'arguments'],
    image_generation_call: ['id', 'type', 'result', 'status'],
  };
  return pick(Object(item), names[textAt(item, 'type')] ?? []);
}

async function turnOf(dialect: Dialect, model: string, answer: ResponseScript, stream: boolean) {
  families.mock.respond(answer);
  const response = await families.post(dialect.path, { ...dialect.body(model), stream });
  const text = await response.text();
  expect(response.status).toBe(200);
  return stream ? dialect.streamed(events(text)) : dialect.turn(JSON.parse(text));
}

/** What an upstream receives when the client returns a turn. */
async function returned(dialect: Dialect, model: string, turn: readonly object[], answer: ResponseScript) {
  families.mock.respond(answer);
  const body = dialect.next(model, turn, dialect.result(turn));
  const response = await families.post(dialect.path, body);
  expect([response.status, await response.text()]).toMatchObject([200, expect.anything()]);
  return lastBody(families.mock);
}

for (const dialect of DIALECTS) {
  for (const stream of [false, true]) {
    describe(`${dialect.name}, ${stream ? 'streamed' : 'plain'}`, () => {
      test('the signature of a Gemini call returns with the call', async () => {
        const turn = await turnOf(dialect, 'gemini', gemini(CALL_PARTS, stream), stream);
        const sent = await returned(dialect, 'gemini', turn, ANSWERS.gemini([{ text: 'Done.' }]));
        const parts = listAt(sent, 'contents', 1, 'parts').filter((part) => 'functionCall' in Object(part));
        expect(parts).toMatchObject([
          { functionCall: { name: 'look', args: { a: 'b' } }, thoughtSignature: SIGNATURE },
          { functionCall: { name: 'look', args: { a: 'c' } } },
        ]);
        expect(parts[1]).not.toHaveProperty('thoughtSignature');
        const results = listAt(sent, 'contents', 2, 'parts');
        expect(results.map((part) => textAt(part, 'functionResponse', 'name'))).toEqual(['look', 'look']);
      });

      test('other vendors see the ids that they accept', async () => {
        const turn = await turnOf(dialect, 'gemini', gemini(CALL_PARTS, stream), stream);
        const answers: readonly (readonly [string, ResponseScript])[] = [
          [dialect.path === '/v1/responses' ? 'ollama' : 'azure', CHAT()],
          ['claude', CLAUDE()],
          ['bedrock', CONVERSE()],
          ['responses', RESPONSE()],
        ];
        for (const [model, answer] of answers) {
          const sent = JSON.stringify(await returned(dialect, model, turn, answer));
          expect(sent).toContain('"call_gem1_0"');
          expect(sent).not.toContain('weir');
          expect(sent).not.toContain('__sig_');
          expect(sent).not.toContain(SIGNATURE.slice(8, 30));
        }
      });

      test('an id that the client has shortened returns without a signature', async () => {
        const turn = await turnOf(dialect, 'gemini', gemini(CALL_PARTS, stream), stream);
        const cut = JSON.parse(JSON.stringify(turn).replaceAll(/(__sig_gemini_\w{8}_[\w-]{6})[\w-]+/g, '$1'));
        const sent = JSON.stringify(
          await returned(dialect, 'gemini', cut, ANSWERS.gemini([{ text: 'Done.' }])),
        );
        expect(sent).toContain('skip_thought_signature_validator');
        expect(sent).not.toContain('__sig_');
      });
    });
  }
}

describe('the signature of a Gemini text', () => {
  const whole = DIALECTS.filter(({ name }) => name !== 'chat completions');
  for (const { stream, parts } of [
    { stream: false, parts: TEXT_PARTS },
    { stream: true, parts: TEXT_PARTS },
    { stream: true, parts: [{ text: 'Hello.' }, { text: '', thoughtSignature: SIGNATURE }] },
  ]) {
    for (const dialect of whole) {
      test(`returns behind its text: ${dialect.name}, ${parts.length} parts, stream ${stream}`, async () => {
        const turn = await turnOf(dialect, 'gemini', gemini(parts, stream), stream);
        const sent = await returned(dialect, 'gemini', turn, ANSWERS.gemini([{ text: 'Done.' }]));
        expect(listAt(sent, 'contents', 1, 'parts')).toEqual([
          { text: 'Hello.' },
          { text: '', thoughtSignature: SIGNATURE },
        ]);
        const other = JSON.stringify(await returned(dialect, 'claude', turn, CLAUDE()));
        expect(other).toContain('Hello.');
        expect(other).not.toContain(SIGNATURE);
      });
    }

    test(`returns in the member of Google’s own format: chat completions, stream ${stream}`, async () => {
      families.mock.respond(gemini(parts, stream));
      const messages = [{ role: 'user', content: 'Hi' }];
      const response = await families.post('/v1/chat/completions', { model: 'gemini', messages, stream });
      const text = await response.text();
      const carriers = stream
        ? events(text).map((event) => at(event, 'choices', 0, 'delta', 'extra_content'))
        : [at(JSON.parse(text), 'choices', 0, 'message', 'extra_content')];
      const extra = { google: { thought_signature: SIGNATURE } };
      expect(carriers.filter((one) => Object.keys(one).length > 0)).toEqual([extra]);
      const turn = { role: 'assistant', content: 'Hello.', extra_content: extra };
      families.mock.respond(ANSWERS.gemini([{ text: 'Done.' }]));
      await families.post('/v1/chat/completions', {
        model: 'gemini',
        messages: [...messages, turn, ...messages],
      });
      expect(listAt(lastBody(families.mock), 'contents', 1, 'parts')).toEqual(TEXT_PARTS);
    });
  }

  test('is no block for a client of messages that asked for no thinking', async () => {
    for (const stream of [false, true]) {
      families.mock.respond(gemini(TEXT_PARTS, stream));
      const body = { model: 'gemini', max_tokens: 9, messages: [{ role: 'user' as const, content: 'Hi' }] };
      const message = stream
        ? await families.anthropic.messages.stream(body).finalMessage()
        : await families.anthropic.messages.create(body);
      expect(message.content).toMatchObject([{ type: 'text', text: 'Hello.' }]);
      expect(message.content).toHaveLength(1);
    }
  });
});

describe('the signature of a call of Google’s API in OpenAI’s format', () => {
  const extra_content = { google: { thought_signature: SIGNATURE } };
  const called = { name: 'look', arguments: '{"a":"b"}' };
  const call = { index: 0, id: 'call_g', type: 'function', function: called, extra_content };
  const answers = {
    plain: () => {
      const { index: _, ...whole } = call;
      return ANSWERS.chat({ content: null, tool_calls: [whole] }, 'tool_calls');
    },
    stream: () =>
      eventStream(
        dataEvents([
          { id: 'c', choices: [{ index: 0, delta: { role: 'assistant', tool_calls: [call] } }] },
          { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
        ]),
      ),
  };

  for (const dialect of DIALECTS) {
    for (const stream of [false, true]) {
      test(`returns: ${dialect.name}, stream ${stream}`, async () => {
        const turn = await turnOf(dialect, 'chat', stream ? answers.stream() : answers.plain(), stream);
        const sent = await returned(dialect, 'chat', turn, CHAT());
        const message = listAt(sent, 'messages').find((one) => valueAt(one, 'tool_calls') !== undefined);
        expect(at(message, 'tool_calls', 0)).toEqual({
          id: 'call_g',
          type: 'function',
          function: called,
          extra_content,
        });
        expect(textAt(sent, 'messages', 2, 'tool_call_id')).toBe('call_g');
        const strict = dialect.path === '/v1/responses' ? 'ollama' : 'azure';
        const other = JSON.stringify(await returned(dialect, strict, turn, CHAT()));
        expect(other).toContain('"call_g"');
        expect(other).not.toContain('extra_content');
      });
    }
  }
});

test('the signature of a Gemini image returns with the image', async () => {
  const [, responses] = DIALECTS;
  if (!responses) throw new Error('no dialect');
  const image = {
    inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgoAAAANSUhEUg' },
    thoughtSignature: SIGNATURE,
  };
  for (const stream of [false, true]) {
    const turn = await turnOf(responses, 'gemini', gemini([{ text: 'Here:' }, image], stream), stream);
    const body = responses.next('gemini', turn, [{ role: 'user', content: 'Larger.' }]);
    families.mock.respond(ANSWERS.gemini([{ text: 'Done.' }]));
    await families.post('/v1/responses', body);
    expect(listAt(lastBody(families.mock), 'contents', 1, 'parts')).toEqual([{ text: 'Here:' }, image]);
  }
});

describe('signed thinking of', () => {
  const thinking = { type: 'thinking', thinking: 'Hm.', signature: SIGNATURE };
  const redacted = { type: 'redacted_thinking', data: 'RW5j' };
  const call = { type: 'tool_use', id: 'toolu_1', name: 'look', input: { a: 'b' } };
  const [, responses, messages] = DIALECTS;
  if (!responses || !messages) throw new Error('no dialect');

  test('Anthropic returns through responses', async () => {
    const answer = ANSWERS.claude([thinking, redacted, call], 'tool_use');
    const turn = await turnOf(responses, 'claude', answer, false);
    const sent = await returned(responses, 'claude', turn, CLAUDE());
    expect(listAt(sent, 'messages', 1, 'content')).toEqual([thinking, redacted, call]);
  });

  test('Bedrock returns through both other dialects', async () => {
    const reasoningContent = { reasoningText: { text: 'Hm.', signature: SIGNATURE } };
    const toolUse = { toolUseId: 'tooluse_1', name: 'look', input: { a: 'b' } };
    const content = [{ reasoningContent }, { toolUse }];
    for (const dialect of [responses, messages]) {
      const answer = json({
        output: { message: { role: 'assistant', content } },
        stopReason: 'tool_use',
        usage: { inputTokens: 1, outputTokens: 1 },
      });
      const turn = await turnOf(dialect, 'bedrock', answer, false);
      const sent = await returned(dialect, 'bedrock', turn, CONVERSE());
      expect(listAt(sent, 'messages', 1, 'content')).toEqual(content);
      const other = JSON.stringify(await returned(dialect, 'gemini', turn, ANSWERS.gemini([{ text: 'Hi' }])));
      expect(other).not.toContain(SIGNATURE);
    }
  });

  test('other vendors has no signature, and is not forwarded to vendors that require one', async () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"a":"b"}' } };
    const delta = (delta: object, finish_reason: string | null = null) => ({
      id: 'c',
      choices: [{ index: 0, delta, finish_reason }],
    });
    const answers = {
      plain: () =>
        ANSWERS.chat({ content: null, reasoning_content: 'Hm.', tool_calls: [call] }, 'tool_calls'),
      stream: () =>
        eventStream(
          dataEvents([
            delta({ reasoning_content: 'Hm.' }),
            delta({ tool_calls: [{ index: 0, ...call }] }),
            delta({}, 'tool_calls'),
          ]),
        ),
    };
    for (const [dialect, own, answer, items] of [
      [messages, 'claude', CLAUDE(), ['messages', 1, 'content']],
      [responses, 'responses', RESPONSE(), ['input']],
    ] as const) {
      for (const stream of [false, true]) {
        const turn = await turnOf(dialect, 'chat', stream ? answers.stream() : answers.plain(), stream);
        const types = listAt(await returned(dialect, own, turn, answer), ...items).map((one) =>
          textAt(one, 'type'),
        );
        expect(types.filter((type) => type === 'thinking' || type === 'reasoning')).toEqual([]);
        const again = JSON.stringify(await returned(dialect, 'bedrock', turn, CONVERSE()));
        expect(again).toContain('call_1');
        expect(again).not.toContain('weir');
      }
    }
  });

  test('OpenAI returns through messages', async () => {
    const reasoning = {
      type: 'reasoning',
      id: 'rs_1',
      summary: [{ type: 'summary_text', text: 'Hm.' }],
      encrypted_content: SIGNATURE,
    };
    const answer = json({
      id: 'resp_up',
      object: 'response',
      status: 'completed',
      model: 'up',
      output: [
        reasoning,
        { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'look', arguments: '{"a":"b"}' },
      ],
    });
    const turn = await turnOf(messages, 'responses', answer, false);
    const sent = await returned(messages, 'responses', turn, RESPONSE());
    expect(at(sent, 'input', 1)).toMatchObject({
      type: 'reasoning',
      summary: reasoning.summary,
      encrypted_content: SIGNATURE,
    });
    // To Anthropic itself nothing of it goes, because it would reject the signature.
    const other = await returned(messages, 'claude', turn, CLAUDE());
    expect(listAt(other, 'messages', 1, 'content')).toMatchObject([{ type: 'tool_use', id: 'call_1' }]);
  });
});

test('a conversation that is continued by its id keeps the signatures', async () => {
  families.mock.respond(ANSWERS.gemini(CALL_PARTS));
  const tools = [{ type: 'function' as const, name: 'look', parameters: PARAMETERS, strict: false }];
  const first = await families.openai.responses.create({ model: 'gemini', input: 'Hi', tools });
  const input = first.output.flatMap((item) =>
    item.type === 'function_call'
      ? [{ type: 'function_call_output' as const, call_id: item.call_id, output: 'seen' }]
      : [],
  );
  const next = { tools, input, previous_response_id: first.id };
  families.mock.respond(ANSWERS.gemini([{ text: 'Done.' }]), RESPONSE());
  await families.openai.responses.create({ model: 'gemini', ...next });
  expect(JSON.stringify(bodyOf(families.mock.requests.at(-1)))).toContain(SIGNATURE);
  await families.openai.responses.create({ model: 'responses', ...next });
  const sent = lastBody(families.mock);
  expect(listAt(sent, 'input').map((item) => textAt(item, 'call_id'))).toEqual([
    '',
    'call_gem1_0',
    'call_gem1_1',
    'call_gem1_0',
    'call_gem1_1',
  ]);
});
