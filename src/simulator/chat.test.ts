import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { z } from 'zod';
import { runs } from '../../test/support/effort.ts';
import { createHarness, readEvents, userMessage } from './test-support.ts';

const usage = z.looseObject({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  completion_tokens_details: z.looseObject({ reasoning_tokens: z.int() }),
});
const logprobs = z
  .looseObject({ content: z.array(z.looseObject({ token: z.string() })).nullable() })
  .nullable();
const call = z.strictObject({
  id: z.string().startsWith('call_'),
  type: z.literal('function'),
  function: z.strictObject({ name: z.string(), arguments: z.string() }),
});
const completion = z.strictObject({
  id: z.string().startsWith('chatcmpl-'),
  object: z.literal('chat.completion'),
  created: z.literal(1_700_000_001),
  model: z.string(),
  choices: z.array(
    z.strictObject({
      index: z.int(),
      message: z.strictObject({
        role: z.literal('assistant'),
        content: z.string().nullable(),
        refusal: z.string().nullable(),
        reasoning_content: z.string().optional(),
        tool_calls: z.array(call).optional(),
        annotations: z.array(z.unknown()),
      }),
      logprobs,
      finish_reason: z.enum(['stop', 'length', 'tool_calls', 'content_filter']),
    }),
  ),
  usage,
  system_fingerprint: z.string(),
});
const chunk = z.strictObject({
  id: z.string(),
  object: z.literal('chat.completion.chunk'),
  created: z.int(),
  model: z.string(),
  system_fingerprint: z.string(),
  choices: z.array(
    z.strictObject({
      index: z.int(),
      delta: z.strictObject({
        role: z.literal('assistant').optional(),
        content: z.string().nullish(),
        refusal: z.string().nullish(),
        reasoning_content: z.string().optional(),
        tool_calls: z
          .array(
            z.strictObject({
              index: z.int(),
              id: z.string().optional(),
              type: z.literal('function').optional(),
              function: z.strictObject({ name: z.string().optional(), arguments: z.string() }),
            }),
          )
          .length(1)
          .optional(),
      }),
      logprobs,
      finish_reason: z.string().nullable(),
    }),
  ),
  usage: usage.nullable().optional(),
});
type Message = z.output<typeof completion>['choices'][number]['message'];

async function complete(body: object): Promise<z.output<typeof completion>> {
  const response = await createHarness().post('/chat/completions', { model: 'simulator', ...body });
  expect(response.status).toBe(200);
  return completion.parse(await response.json());
}

async function first(body: object): Promise<z.output<typeof completion>['choices'][number]> {
  const [choice] = (await complete(body)).choices;
  if (choice === undefined) throw new Error('no choice');
  return choice;
}

interface Collected {
  readonly message: Message;
  finishReason: string | null;
  readonly logprobs: unknown[];
  chunks: number;
}

/** Puts a stream together as clients do, and checks its order on the way. */
async function stream(body: object) {
  const request = { model: 'simulator', stream: true, stream_options: { include_usage: true }, ...body };
  const response = await createHarness().post('/chat/completions', request);
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const events = readEvents(await response.text());
  expect(events.at(-1)).toBe('[DONE]');
  const chunks = events.slice(0, -1).map((data) => chunk.parse(JSON.parse(data)));
  expect(new Set(chunks.map(({ id, created, model }) => `${id} ${created} ${model}`)).size).toBe(1);
  const last = chunks.pop();
  expect(last?.choices).toEqual([]);
  expect(chunks.every((item) => item.usage === null && item.choices.length === 1)).toBe(true);
  const choices: Collected[] = [];
  for (const { index, delta, finish_reason, logprobs: probabilities } of chunks.flatMap(
    (item) => item.choices,
  )) {
    const known = choices[index];
    if (known === undefined) {
      expect(delta.role).toBe('assistant');
      const message = {
        role: 'assistant' as const,
        content: delta.content ?? null,
        refusal: null,
        annotations: [],
      };
      choices[index] = { message, finishReason: null, logprobs: [], chunks: 0 };
      continue;
    }
    expect(known.finishReason).toBeNull();
    expect(delta.role).toBeUndefined();
    known.finishReason = finish_reason;
    if (finish_reason !== null) {
      expect(delta).toEqual({});
      continue;
    }
    known.chunks += 1;
    known.logprobs.push(...(probabilities?.content ?? []));
    const { message } = known;
    if (typeof delta.content === 'string') message.content = (message.content ?? '') + delta.content;
    if (typeof delta.refusal === 'string') message.refusal = (message.refusal ?? '') + delta.refusal;
    if (typeof delta.reasoning_content === 'string') {
      expect(message.content ?? '').toBe('');
      message.reasoning_content = (message.reasoning_content ?? '') + delta.reasoning_content;
    }
    for (const part of delta.tool_calls ?? []) {
      message.tool_calls ??= [];
      const open = message.tool_calls[part.index];
      if (open === undefined) {
        expect(part.index).toBe(message.tool_calls.length);
        message.tool_calls.push({
          id: part.id ?? '',
          type: part.type ?? 'function',
          function: { name: part.function.name ?? '', arguments: part.function.arguments },
        });
      } else {
        expect(part.id).toBeUndefined();
        open.function.arguments += part.function.arguments;
      }
    }
  }
  return { choices, usage: usage.parse(last?.usage) };
}

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Get the current weather for a place.',
    parameters: {
      type: 'object',
      properties: { location: { type: 'string' }, unit: { enum: ['celsius', 'fahrenheit'] } },
      required: ['location', 'unit'],
      additionalProperties: false,
    },
  },
};
const clockTool = {
  type: 'function',
  function: { name: 'readClock', parameters: { type: 'object', properties: {} } },
};
const tools = [weather, clockTool];

const requests = fc.record(
  {
    model: fc.constantFrom(
      'simulator',
      'simulator-reasoning',
      'simulator:tokens=7',
      'simulator:fault=refusal',
      'simulator:fault=content_filter',
    ),
    messages: fc.string({ minLength: 1, unit: 'grapheme' }).map((text) => userMessage(`weather ${text}`)),
    max_completion_tokens: fc.integer({ min: 1, max: 90 }),
    n: fc.integer({ min: 1, max: 3 }),
    stop: fc.constantFrom('the', [' a', 'simul'], '.'),
    seed: fc.integer(),
    logprobs: fc.boolean(),
    tools: fc.constant(tools),
    response_format: fc.constantFrom(
      { type: 'json_object' },
      { type: 'json_schema', json_schema: { name: 'x', schema: weather.function.parameters } },
    ),
  },
  { requiredKeys: ['model', 'messages'] },
);

describe('a chat completion', () => {
  test('echoes words of the question, in readable English', async () => {
    const { message } = await first({ messages: userMessage("What's the capital of France?") });
    expect(message.content).toContain('capital');
    expect(message.content).toContain('France');
    expect(message.content).toMatch(/^[A-Z][^{}]+\.$/);
  });

  test('is the same streamed and whole, and its usage counts the chunks', async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        const whole = await complete(request);
        const streamed = await stream(request);
        const withoutIds = (message: Message) => ({
          ...message,
          tool_calls: message.tool_calls?.map(({ function: called }) => called),
        });
        expect(streamed.choices.map(({ message }) => withoutIds(message))).toEqual(
          whole.choices.map(({ message }) => withoutIds(message)),
        );
        expect(streamed.choices.map((choice) => choice.finishReason)).toEqual(
          whole.choices.map((choice) => choice.finish_reason),
        );
        expect(streamed.choices.map((choice) => choice.logprobs)).toEqual(
          whole.choices.map((choice) => choice.logprobs?.content ?? []),
        );
        expect(streamed.usage).toEqual(whole.usage);
        expect(whole.usage.completion_tokens).toBe(
          streamed.choices.reduce((sum, choice) => sum + choice.chunks, 0),
        );
        expect(whole.usage.total_tokens).toBe(whole.usage.prompt_tokens + whole.usage.completion_tokens);
      }),
      { numRuns: runs(150) },
    );
  });

  test('is the same for the same request', async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        expect(await complete(request)).toEqual(await complete(request));
      }),
      { numRuns: runs(50) },
    );
  });

  test('changes with the seed of the request, which wins over the option', async () => {
    const ask = (seed: number | undefined, model = 'simulator') =>
      first({ model, messages: userMessage('Hello there'), seed }).then(({ message }) => message.content);
    expect(await ask(1)).not.toBe(await ask(2));
    expect(await ask(1, 'simulator:seed=2')).toBe(await ask(1));
    expect(await ask(undefined, 'simulator:seed=2')).toBe(await ask(2));
    expect(await ask(undefined)).not.toBe(await ask(2));
  });

  test('has exactly as many tokens as the option says', async () => {
    for (const tokens of [0, 1, 2, 17, 500]) {
      const { usage: counted, choices } = await complete({
        model: `simulator:tokens=${tokens}`,
        messages: userMessage('Hi'),
      });
      expect(counted.completion_tokens).toBe(tokens);
      expect(choices[0]?.finish_reason).toBe('stop');
    }
  });

  test('ends at the limit, at a stop sequence, or at its own end', async () => {
    const messages = userMessage('Tell me of Rome');
    const full = (await first({ messages })).message.content ?? '';
    expect(await first({ messages, max_tokens: 4 })).toMatchObject({ finish_reason: 'length' });
    const stopped = await first({ messages, stop: ['simulat', 'zzz'] });
    expect(stopped.finish_reason).toBe('stop');
    expect(stopped.message.content).toBe(full.slice(0, full.indexOf('simulat')));
  });

  test('reasons first when the model does', async () => {
    const { choices, usage: counted } = await complete({
      model: 'simulator-reasoning',
      messages: userMessage('Why rain?'),
    });
    expect(choices[0]?.message.reasoning_content).toContain('rain');
    expect(counted.completion_tokens_details.reasoning_tokens).toBeGreaterThan(30);
    const cut = await first({
      model: 'simulator-reasoning',
      messages: userMessage('Why?'),
      max_completion_tokens: 5,
    });
    expect(cut).toMatchObject({ finish_reason: 'length', message: { content: '' } });
  });

  test('is JSON when asked', async () => {
    const { message } = await first({
      messages: userMessage('Rome'),
      response_format: { type: 'json_object' },
    });
    expect(JSON.parse(message.content ?? '')).toMatchObject({ topics: ['Rome'] });
  });

  test('refuses when told to, and then has no content', async () => {
    const { message, finish_reason } = await first({
      model: 'simulator:fault=refusal',
      messages: userMessage('Rome'),
    });
    expect(message).toMatchObject({ content: null, refusal: expect.stringContaining('Rome') });
    expect(finish_reason).toBe('stop');
  });

  test('counts images, sound and tools in the prompt', async () => {
    const count = async (content: unknown[], more = {}) =>
      (await complete({ messages: [{ role: 'user', content }], tool_choice: undefined, ...more })).usage
        .prompt_tokens;
    const text = { type: 'text', text: 'look here' };
    const base = await count([text]);
    expect(base).toBe(3 + 3 + 2);
    expect(await count([text, { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }])).toBe(
      base + 765,
    );
    expect(await count([text, { type: 'image_url', image_url: { url: 'data:,', detail: 'low' } }])).toBe(
      base + 85,
    );
    const sound = { type: 'input_audio', input_audio: { data: 'A'.repeat(12_800), format: 'wav' } };
    expect(await count([text, sound])).toBe(base + 3);
    expect(await count([text], { tools })).toBeGreaterThan(base + 20);
  });

  test('gives log probabilities that go down', async () => {
    const { logprobs: found } = await first({
      messages: userMessage('Rome'),
      logprobs: true,
      top_logprobs: 3,
    });
    const entry = z.object({
      token: z.string(),
      logprob: z.number(),
      bytes: z.array(z.int()),
      top_logprobs: z.array(z.looseObject({ logprob: z.number() })).length(3),
    });
    for (const item of found?.content ?? []) {
      const { token, logprob, bytes, top_logprobs } = entry.parse(item);
      expect(new TextDecoder().decode(new Uint8Array(bytes))).toBe(token);
      const values = top_logprobs.map((top) => top.logprob);
      expect(values).toEqual(values.toSorted((a, b) => b - a));
      expect(values[0]).toBe(logprob);
    }
  });
});

describe('tools', () => {
  const ask = (text: string, more = {}) => first({ messages: userMessage(text), tools, ...more });

  test('are called when the question shares a word with them, with arguments that fit', async () => {
    const { message, finish_reason } = await ask('What is the weather in Paris?');
    expect(finish_reason).toBe('tool_calls');
    expect(message.content).toBeNull();
    expect(message.tool_calls?.map((item) => item.function.name)).toEqual(['get_weather']);
    const args = z.strictObject({ location: z.string(), unit: z.enum(['celsius', 'fahrenheit']) });
    expect(args.parse(JSON.parse(message.tool_calls?.[0]?.function.arguments ?? '')).location).toMatch(
      /Paris|weather/,
    );
  });

  test('are left alone when it does not, or when forbidden', async () => {
    expect((await ask('Hello')).message.tool_calls).toBeUndefined();
    expect((await ask('weather', { tool_choice: 'none' })).message.tool_calls).toBeUndefined();
  });

  test('are called when required or named', async () => {
    expect((await ask('Hello', { tool_choice: 'required' })).message.tool_calls).toHaveLength(1);
    const tool_choice = { type: 'function', function: { name: 'readClock' } };
    expect((await ask('Hello', { tool_choice })).message.tool_calls?.[0]?.function.name).toBe('readClock');
    const allowed = { mode: 'required', tools: [{ type: 'function', function: { name: 'readClock' } }] };
    const limited = await ask('weather', { tool_choice: { type: 'allowed_tools', allowed_tools: allowed } });
    expect(limited.message.tool_calls?.map((item) => item.function.name)).toEqual(['readClock']);
  });

  test('are called two at a time unless that is forbidden', async () => {
    const text = 'The weather and the clock, please';
    const both = await ask(text);
    expect(both.message.tool_calls?.map((item) => item.function.name)).toEqual(['get_weather', 'readClock']);
    expect(new Set(both.message.tool_calls?.map(({ id }) => id)).size).toBe(2);
    expect((await ask(text, { parallel_tool_calls: false })).message.tool_calls).toHaveLength(1);
  });

  test('that have answered are quoted', async () => {
    const messages = [
      ...userMessage('weather?'),
      {
        role: 'assistant',
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'get_weather', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: '22 degrees' },
    ];
    const { message, finish_reason } = await first({ messages, tools });
    expect(message.content).toStartWith('According to get_weather: 22 degrees.');
    expect(finish_reason).toBe('stop');
  });
});
