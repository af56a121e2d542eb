import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type Anthropic from '@anthropic-ai/sdk';
import type OpenAI from 'openai';
import { at, listAt, textAt, valueAt } from '../compat/answer.ts';
import { json } from '../support/scripts.ts';
import { ANSWERS, bodyOf, type Families, startFamilies } from './helpers/families.ts';

let families: Families;
beforeEach(async () => {
  families = await startFamilies();
});
afterEach(() => families.stop());

const CITY = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } as const;
const TOOLS = ['find_city', 'get_weather', 'book_hotel'] as const;
const PLAN = [
  { name: 'find_city', input: { city: 'near the sea' }, result: 'Porto' },
  { name: 'get_weather', input: { city: 'Porto' }, result: 'sunny' },
  { name: 'book_hotel', input: { city: 'Porto' }, result: 'booked as W-77' },
] as const;
const DONE = 'Your hotel in sunny Porto is booked as W-77.';

async function failureOf(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('that should have failed');
}

const resultOf = (name: string) => PLAN.find((step) => step.name === name)?.result ?? 'no such tool';

describe('three tools, one task', () => {
  test('with Anthropic’s SDK, against an upstream of OpenAI’s format', async () => {
    const { mock, anthropic } = families;
    mock.when(
      ({ path }) => path.startsWith('/chat/'),
      (request) => {
        const results = listAt(bodyOf(request), 'messages').filter(
          (message) => textAt(message, 'role') === 'tool',
        );
        const step = PLAN[results.length];
        if (!step) return ANSWERS.chat({ content: DONE });
        const call = { name: step.name, arguments: JSON.stringify(step.input) };
        const calls = [{ id: `call_${results.length}`, type: 'function', function: call }];
        return ANSWERS.chat({ content: null, tool_calls: calls }, 'tool_calls');
      },
    );
    const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'Book me a hotel by the sea.' }];
    const tools = TOOLS.map((name) => ({ name, input_schema: { ...CITY, required: ['city'] } }));
    for (let turn = 0; turn < 6; turn += 1) {
      const message = await anthropic.messages.create({ model: 'chat', max_tokens: 500, tools, messages });
      messages.push({ role: 'assistant', content: message.content });
      if (message.stop_reason !== 'tool_use') break;
      const results = message.content.flatMap((block) =>
        block.type === 'tool_use'
          ? [{ type: 'tool_result' as const, tool_use_id: block.id, content: resultOf(block.name) }]
          : [],
      );
      messages.push({ role: 'user', content: results });
    }
    expect(messages.at(-1)?.content).toMatchObject([{ type: 'text', text: DONE }]);
    const sent = bodyOf(mock.requests.at(-1));
    expect(listAt(sent, 'messages').map((message) => textAt(message, 'role'))).toEqual([
      'user',
      ...PLAN.flatMap(() => ['assistant', 'tool']),
    ]);
    expect(listAt(sent, 'tools').map((tool) => textAt(tool, 'function', 'name'))).toEqual([...TOOLS]);
  });

  test('with OpenAI’s Responses, against Anthropic, and its thinking comes back signed', async () => {
    const { mock, openai } = families;
    const seen: unknown[] = [];
    mock.when(
      ({ path }) => path.startsWith('/claude/'),
      (request) => {
        const blocks = listAt(bodyOf(request), 'messages').flatMap((message) => listAt(message, 'content'));
        const results = blocks.filter((block) => textAt(block, 'type') === 'tool_result');
        seen.push(blocks.filter((block) => textAt(block, 'type') === 'thinking'));
        const step = PLAN[results.length];
        if (!step) return ANSWERS.claude([{ type: 'text', text: DONE }]);
        const thinking = {
          type: 'thinking',
          thinking: `Step ${results.length}.`,
          signature: `sig${results.length}`,
        };
        const call = { type: 'tool_use', id: `toolu_${results.length}`, name: step.name, input: step.input };
        return ANSWERS.claude([thinking, call], 'tool_use');
      },
    );
    const tools = TOOLS.map((name) => ({ type: 'function' as const, name, parameters: CITY, strict: false }));
    let response: OpenAI.Responses.Response | undefined;
    let input: OpenAI.Responses.ResponseInput | string = 'Book me a hotel by the sea.';
    for (let turn = 0; turn < 6; turn += 1) {
      response = await openai.responses.create({
        model: 'claude',
        input,
        tools,
        reasoning: { effort: 'low' },
        previous_response_id: response?.id ?? null,
      });
      const calls: readonly OpenAI.Responses.ResponseOutputItem[] = response.output.filter(
        ({ type }) => type === 'function_call',
      );
      if (calls.length === 0) break;
      input = calls.map((call) => ({
        type: 'function_call_output' as const,
        call_id: textAt(call, 'call_id'),
        output: resultOf(textAt(call, 'name')),
      }));
    }
    expect(response?.output_text).toBe(DONE);
    expect(seen.at(-1)).toEqual(
      [0, 1, 2].map((step) => ({ type: 'thinking', thinking: `Step ${step}.`, signature: `sig${step}` })),
    );

    const fetched = await openai.responses.retrieve(response?.id ?? '');
    expect(fetched.output_text).toBe(DONE);
    expect((await openai.responses.inputItems.list(response?.id ?? '')).data.length).toBeGreaterThan(5);
    await openai.responses.delete(response?.id ?? '');
    const again = await failureOf(openai.responses.retrieve(response?.id ?? ''));
    expect(again).toMatchObject({ status: 404 });
    const unknown = { model: 'claude', input: 'x', previous_response_id: 'resp_none' };
    const refused = await failureOf(openai.responses.create(unknown));
    expect(refused).toMatchObject({ status: 400, code: 'previous_response_not_found' });
  });
});

test('a conversation that changes its provider in the middle keeps what each has signed', async () => {
  const { mock, openai } = families;
  const claudeAsked: unknown[] = [];
  let claudeIsDown = false;
  mock.when(
    ({ path }) => path.startsWith('/claude/'),
    (request) => {
      claudeAsked.push(bodyOf(request));
      if (claudeIsDown) {
        const error = { type: 'overloaded_error', message: 'Overloaded' };
        return { ...json({ type: 'error', error }), status: 529 };
      }
      return ANSWERS.claude(
        [
          { type: 'thinking', thinking: 'First.', signature: 'claude-signed' },
          { type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Porto' } },
        ],
        'tool_use',
      );
    },
  );
  mock.when(
    ({ path }) => path.startsWith('/gemini/'),
    () =>
      ANSWERS.gemini([
        { functionCall: { name: 'get_weather', args: { city: 'Faro' } }, thoughtSignature: 'gemini-signed' },
      ]),
  );
  const tools = [{ type: 'function' as const, function: { name: 'get_weather', parameters: CITY } }];
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Where is it warmer?' }];
  const turn = async () => {
    const { data, response } = await openai.chat.completions
      .create({ model: 'either', messages, tools })
      .withResponse();
    const message = data.choices[0]?.message;
    if (!message) throw new Error('no message');
    messages.push(message);
    for (const call of message.tool_calls ?? []) {
      messages.push({ role: 'tool', tool_call_id: call.id, content: '25 degrees' });
    }
    return response.headers.get('x-weir-provider');
  };
  expect(await turn()).toBe('claude');
  claudeIsDown = true;
  expect(await turn()).toBe('gemini');
  claudeIsDown = false;
  expect(await turn()).toBe('claude');

  // Gemini saw the first call with the placeholder for foreign calls, and no foreign thinking.
  const gemini = bodyOf(mock.requests.filter(({ path }) => path.startsWith('/gemini/')).at(-1));
  const first = listAt(gemini, 'contents', 1, 'parts');
  expect(first).toHaveLength(1);
  expect(valueAt(first[0], 'functionCall')).toEqual({
    id: 'toolu_1',
    name: 'get_weather',
    args: { city: 'Porto' },
  });
  expect(textAt(first[0], 'thoughtSignature')).toBe('skip_thought_signature_validator');
  // Anthropic got its own thinking back, though another provider answered in between.
  const blocks = listAt(claudeAsked.at(-1), 'messages').flatMap((message) => listAt(message, 'content'));
  expect(blocks.filter((block) => textAt(block, 'type') === 'thinking')).toEqual([
    { type: 'thinking', thinking: 'First.', signature: 'claude-signed' },
  ]);
  expect(
    blocks.filter((block) => textAt(block, 'type') === 'tool_use').map((block) => at(block, 'input')),
  ).toEqual([{ city: 'Porto' }, { city: 'Faro' }]);
  // And Gemini's signature travelled with its call to the client.
  const calls = messages.flatMap((message) => ('tool_calls' in message ? (message.tool_calls ?? []) : []));
  expect(textAt(calls[1], 'extra_content', 'google', 'thought_signature')).toBe('gemini-signed');
});
