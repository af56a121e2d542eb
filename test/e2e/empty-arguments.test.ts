import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { at, listAt, textAt } from '../compat/answer.ts';
import { dataEvents, eventStream, json, type ResponseScript } from '../support/scripts.ts';
import { ANSWERS, type Families, startFamilies } from './helpers/families.ts';

/** Calls of functions without arguments: clients parse the arguments, so that an empty text breaks them. */

let families: Families;
beforeAll(async () => {
  families = await startFamilies();
});
afterAll(() => families.stop());

const named = (events: readonly { readonly type: string }[]) =>
  eventStream(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`));

const CLAUDE_STREAM = (...json: readonly string[]) =>
  named([
    {
      type: 'message_start',
      ...{
        message: {
          id: 'msg_1',
          role: 'assistant',
          content: [],
          usage: { input_tokens: 1, output_tokens: 1 },
        },
      },
    },
    {
      type: 'content_block_start',
      ...{ index: 0, content_block: { type: 'tool_use', id: 'toolu_1', name: 'now', input: {} } },
    },
    ...json.map((partial_json) => ({
      type: 'content_block_delta',
      ...{ index: 0, delta: { type: 'input_json_delta', partial_json } },
    })),
    { type: 'content_block_stop', ...{ index: 0 } },
    { type: 'message_delta', ...{ delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 3 } } },
    { type: 'message_stop' },
  ]);

const chatCall = (called: object) => ({ index: 0, id: 'call_1', type: 'function', function: called });
const CHAT_STREAM = (...calls: readonly object[]) =>
  eventStream(
    dataEvents([
      ...calls.map((call) => ({ id: 'c', choices: [{ index: 0, delta: { tool_calls: [call] } }] })),
      { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
    ]),
  );

interface Upstream {
  readonly name: string;
  readonly model: string;
  readonly plain: () => ResponseScript;
  readonly stream: () => ResponseScript;
}

const chatPlain = (called: object) => () =>
  ANSWERS.chat(
    { content: null, tool_calls: [{ id: 'call_1', type: 'function', function: called }] },
    'tool_calls',
  );

const UPSTREAMS: readonly Upstream[] = [
  {
    name: 'Anthropic with one empty delta',
    model: 'claude',
    plain: () => ANSWERS.claude([{ type: 'tool_use', id: 'toolu_1', name: 'now', input: {} }], 'tool_use'),
    stream: () => CLAUDE_STREAM(''),
  },
  {
    name: 'Anthropic without a delta',
    model: 'claude',
    plain: () => ANSWERS.claude([{ type: 'tool_use', id: 'toolu_1', name: 'now', input: {} }], 'tool_use'),
    stream: () => CLAUDE_STREAM(),
  },
  {
    name: 'OpenAI’s format with empty arguments',
    model: 'chat',
    plain: chatPlain({ name: 'now', arguments: '' }),
    stream: () => CHAT_STREAM(chatCall({ name: 'now', arguments: '' })),
  },
  {
    name: 'OpenAI’s format without arguments',
    model: 'chat',
    plain: chatPlain({ name: 'now' }),
    stream: () => CHAT_STREAM(chatCall({ name: 'now' })),
  },
  {
    name: 'OpenAI’s format with white space in a second delta',
    model: 'chat',
    plain: chatPlain({ name: 'now', arguments: ' ' }),
    stream: () =>
      CHAT_STREAM(chatCall({ name: 'now', arguments: '' }), { index: 0, function: { arguments: ' ' } }),
  },
  {
    name: 'Cohere',
    model: 'cohere',
    plain: () =>
      json({
        id: 'co',
        finish_reason: 'TOOL_CALL',
        message: {
          role: 'assistant',
          tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'now', arguments: '' } }],
        },
      }),
    stream: () =>
      eventStream(
        dataEvents([
          { type: 'message-start', id: 'co', delta: { message: { role: 'assistant' } } },
          {
            type: 'tool-call-start',
            index: 0,
            delta: {
              message: {
                tool_calls: { id: 'call_1', type: 'function', function: { name: 'now', arguments: '' } },
              },
            },
          },
          { type: 'tool-call-end', index: 0 },
          { type: 'message-end', delta: { finish_reason: 'TOOL_CALL' } },
        ]),
      ),
  },
];

const messages = [{ role: 'user' as const, content: 'What time is it?' }];
const PARAMETERS = { type: 'object' as const, properties: {} };
const TOOL = { type: 'function' as const, function: { name: 'now', parameters: PARAMETERS } };
const FUNCTION = { type: 'function' as const, name: 'now', parameters: PARAMETERS, strict: false };

for (const { name, model, plain, stream } of UPSTREAMS) {
  describe(`a call without arguments of ${name}`, () => {
    test('has "{}" in chat completions', async () => {
      families.mock.respond(plain());
      const completion = await families.openai.chat.completions.create({ model, messages, tools: [TOOL] });
      expect(textAt(completion.choices[0]?.message.tool_calls, 0, 'function', 'arguments')).toBe('{}');
      families.mock.respond(stream());
      const streamed = families.openai.chat.completions.stream({ model, messages, tools: [TOOL] });
      const final = await streamed.finalChatCompletion();
      const calls = final.choices[0]?.message.tool_calls;
      expect(calls).toHaveLength(1);
      expect(JSON.parse(textAt(calls, 0, 'function', 'arguments'))).toEqual({});
    });

    test('has "{}" in every event of a response', async () => {
      families.mock.respond(plain());
      const response = await families.openai.responses.create({ model, input: 'Hi', tools: [FUNCTION] });
      expect(textAt(response.output[0], 'arguments')).toBe('{}');
      families.mock.respond(stream());
      const streamed = families.openai.responses.stream({ model, input: 'Hi', tools: [FUNCTION] });
      let joined = '';
      const complete: string[] = [];
      for await (const event of streamed) {
        if (event.type === 'response.function_call_arguments.delta') joined += event.delta;
        if (event.type === 'response.function_call_arguments.done') complete.push(event.arguments);
        if (event.type === 'response.output_item.done') complete.push(textAt(event.item, 'arguments'));
        if (event.type === 'response.completed') complete.push(textAt(event.response.output[0], 'arguments'));
      }
      expect(complete).toHaveLength(3);
      for (const text of [joined, ...complete]) expect(JSON.parse(text)).toEqual({});
    });

    test('has an empty object in messages', async () => {
      const tools = [{ name: 'now', input_schema: PARAMETERS }];
      families.mock.respond(plain());
      const body = { model, max_tokens: 9, messages, tools };
      const message = await families.anthropic.messages.create(body);
      expect(at(message.content[0], 'input')).toEqual({});
      families.mock.respond(stream());
      const final = await families.anthropic.messages.stream(body).finalMessage();
      expect(final.content).toMatchObject([{ type: 'tool_use', name: 'now', input: {} }]);
      expect(listAt(final, 'content')).toHaveLength(1);
    });
  });
}
