import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { splitAtRandom, toBytes } from '../../../test/support/bytes.ts';
import { expectEventRules, readEvents } from '../../../test/support/chat-events.ts';
import { runs } from '../../../test/support/effort.ts';
import type { ChatEvent } from '../../core/chat/result.ts';
import { GatewayError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { responsesChatFormat } from './index.ts';
import { responsesTarget } from './test-support.ts';

const target = responsesTarget();

function sse(events: readonly JsonObject[], named = true): string {
  return events
    .map((event) => `${named ? `event: ${event.type}\n` : ''}data: ${JSON.stringify(event)}\n\n`)
    .join('');
}

function read(events: readonly JsonObject[] | string, seed?: number) {
  const bytes = toBytes(typeof events === 'string' ? events : sse(events));
  const reader = responsesChatFormat.reader(target, { messages: [] });
  return readEvents(reader, seed === undefined ? [bytes] : splitAtRandom(bytes, seed));
}

const created = { type: 'response.created', response: { id: 'r', model: 'm', created_at: 5.5, output: [] } };
const completed = (output: readonly JsonObject[] = [], more: JsonObject = {}) => ({
  type: 'response.completed',
  response: { id: 'r', status: 'completed', output, usage: { input_tokens: 3, output_tokens: 2 }, ...more },
});
const message = (text: string, index = 0) => ({
  type: 'response.output_item.done',
  output_index: index,
  item: { type: 'message', id: `msg_${index}`, content: [{ type: 'output_text', text, annotations: [] }] },
});
const START: ChatEvent = { type: 'start', id: 'r', created: 5, model: 'm' };
const END: ChatEvent[] = [
  {
    type: 'usage',
    usage: { inputTokens: 3, outputTokens: 2, raw: { input_tokens: 3, output_tokens: 2 } },
  },
  { type: 'finish', choice: 0, finish: { unified: 'stop', raw: 'completed' } },
  { type: 'end' },
];
const textPart = (...deltas: string[]): ChatEvent[] => [
  { type: 'part-start', choice: 0, part: { type: 'text' } },
  ...deltas.map((text) => ({ type: 'delta' as const, choice: 0, text })),
  { type: 'part-end', choice: 0 },
];

describe('a stream', () => {
  test.each([1, 3])('may count the parts of a message from %d in its events', (from) => {
    const at = { output_index: 0, content_index: from };
    const text = (type: string, more: JsonObject) => ({ type: `response.${type}`, ...at, ...more });
    const stream = [
      created,
      text('content_part.added', { part: { type: 'output_text', text: '' } }),
      text('output_text.delta', { delta: 'on' }),
      text('output_text.delta', { delta: 'ce' }),
      text('output_text.done', { text: 'once' }),
      message('once'),
      completed([message('once').item]),
    ];
    expect(read(stream)).toEqual({ events: [START, ...textPart('on', 'ce'), ...END], error: undefined });
  });

  test('may have events of some parts of a message only', () => {
    const content = ['first', 'second'].map((text) => ({ type: 'output_text', text, annotations: [] }));
    const delta = { type: 'response.output_text.delta', output_index: 0, content_index: 1, delta: 'second' };
    const done = {
      type: 'response.output_item.done',
      output_index: 0,
      item: { type: 'message', id: 'm', content },
    };
    expect(read([created, delta, done, completed()])).toEqual({
      events: [START, ...textPart('second'), ...textPart('first'), ...END],
      error: undefined,
    });
  });

  test('may tell its items only when they are done, or only at its end', () => {
    const expected = { events: [START, ...textPart('hé'), ...END], error: undefined };
    expect(read([created, message('hé'), completed()])).toEqual(expected);
    expect(read([created, completed([message('hé').item])])).toEqual(expected);
    expect(read([created, message('hé'), completed([message('hé').item])])).toEqual(expected);
    expect(read(sse([created, message('hé'), completed()], false))).toEqual(expected);
    const delta = { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'hé' };
    expect(read([created, delta, message('hé'), completed([message('hé').item])])).toEqual(expected);
    const done = { type: 'response.output_text.done', output_index: 0, content_index: 0, text: 'hé' };
    expect(read([created, done, completed([message('hé').item])])).toEqual(expected);
  });

  test('may leave out what opens it, and the empty line at its end', () => {
    const { events, error } = read(sse([message('a'), completed()]).trimEnd());
    expect(error).toBeUndefined();
    expect(events).toEqual([{ type: 'start' }, ...textPart('a'), ...END]);
  });

  test('tells items again by their ids, even from another place', () => {
    const hidden = { type: 'reasoning', id: 'rs_1', summary: [] };
    const { events } = read([created, message('a'), completed([hidden, message('a').item])]);
    expect(events).toEqual([START, ...textPart('a'), ...END]);
  });

  test('may tell several items at the same time', () => {
    const call = (index: number) => ({
      type: 'response.output_item.added',
      output_index: index,
      item: {
        type: 'function_call',
        id: `fc_${index}`,
        call_id: `call_${index}`,
        name: `f${index}`,
        arguments: '',
      },
    });
    const args = (index: number, delta: string) => ({
      type: 'response.function_call_arguments.delta',
      output_index: index,
      item_id: 'another each time',
      delta,
    });
    const done = (index: number) => ({
      type: 'response.output_item.done',
      output_index: index,
      item: { ...call(index).item, arguments: '{"a":1}' },
    });
    const { events, error } = read([
      created,
      call(0),
      call(1),
      args(1, '{"a"'),
      args(0, '{"a":1}'),
      args(1, ':1}'),
      done(1),
      done(0),
      completed(),
    ]);
    expect(error).toBeUndefined();
    expectEventRules(events, true);
    const part = (index: number, ...deltas: string[]): ChatEvent[] => [
      { type: 'part-start', choice: 0, part: { type: 'tool-call', id: `call_${index}`, name: `f${index}` } },
      ...deltas.map((text) => ({ type: 'delta' as const, choice: 0, text })),
      { type: 'part-end', choice: 0 },
    ];
    expect(events).toEqual([
      START,
      ...part(0, '{"a":1}'),
      ...part(1, '{"a"', ':1}'),
      ...END.map((event) =>
        event.type === 'finish'
          ? { ...event, finish: { unified: 'tool-calls' as const, raw: 'completed' } }
          : event,
      ),
    ]);
  });

  test('has reasoning in parts, of which the last carries what is encrypted', () => {
    const at = { output_index: 0, item_id: 'rs_1' };
    const { events } = read([
      created,
      {
        type: 'response.output_item.added',
        output_index: 0,
        item: { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'early' },
      },
      { type: 'response.reasoning_summary_text.delta', ...at, summary_index: 0, delta: 'one' },
      {
        type: 'response.reasoning_summary_part.added',
        ...at,
        summary_index: 1,
        part: { type: 'summary_text', text: '' },
      },
      { type: 'response.reasoning_summary_text.done', ...at, summary_index: 1, text: 'two' },
      {
        type: 'response.output_item.done',
        output_index: 0,
        item: {
          type: 'reasoning',
          id: 'rs_1',
          summary: [{ text: 'one' }, { text: 'two' }],
          encrypted_content: 'late',
        },
      },
      completed(),
    ]);
    const opened = {
      type: 'part-start',
      choice: 0,
      part: { type: 'reasoning', id: 'rs_1', summary: true },
    } as const;
    const signature = (value: string) =>
      ({ type: 'signature', choice: 0, signature: { origin: 'openai', value } }) as const;
    expect(events).toEqual([
      START,
      opened,
      { type: 'delta', choice: 0, text: 'one' },
      signature(''),
      { type: 'part-end', choice: 0 },
      opened,
      { type: 'delta', choice: 0, text: 'two' },
      signature('late'),
      { type: 'part-end', choice: 0 },
      ...END,
    ]);
  });

  test('has reasoning that is encrypted only, text of open models, and nothing for nothing', () => {
    const item = (more: JsonObject) => ({
      type: 'response.output_item.done',
      output_index: more.index,
      item: { type: 'reasoning', id: 'rs', summary: [], ...more },
    });
    const { events } = read([
      created,
      item({ index: 0, encrypted_content: 'e' }),
      item({ index: 1, content: [{ type: 'reasoning_text', text: 'hm' }] }),
      item({ index: 2 }),
      completed(),
    ]);
    expect(events.slice(1, -3)).toEqual([
      {
        type: 'part-start',
        choice: 0,
        part: {
          type: 'whole',
          part: { type: 'reasoning', text: '', id: 'rs', redacted: { origin: 'openai', value: 'e' } },
        },
      },
      { type: 'part-end', choice: 0 },
      { type: 'part-start', choice: 0, part: { type: 'reasoning', id: 'rs' } },
      { type: 'delta', choice: 0, text: 'hm' },
      { type: 'part-end', choice: 0 },
    ]);
  });

  test('has citations, log probabilities, refusals, free-text calls and items without a form', () => {
    const annotation = { type: 'url_citation', url: 'https://x', title: 't', start_index: 0, end_index: 1 };
    const at = { output_index: 0, content_index: 0 };
    const search = { type: 'web_search_call', id: 'ws', status: 'completed' };
    const custom = { type: 'custom_tool_call', call_id: 'c', name: 'sql', input: 'SELECT 1' };
    const { events } = read([
      created,
      {
        type: 'response.output_text.delta',
        ...at,
        delta: 'a',
        logprobs: [{ token: 'a', logprob: -1, top_logprobs: [] }],
      },
      { type: 'response.output_text.annotation.added', ...at, annotation_index: 0, annotation },
      {
        type: 'response.content_part.done',
        ...at,
        part: {
          type: 'output_text',
          text: 'a',
          annotations: [annotation, { type: 'file_path', file_id: 'f' }],
        },
      },
      { type: 'response.refusal.delta', output_index: 0, content_index: 1, delta: 'no' },
      { type: 'response.output_item.done', output_index: 1, item: search },
      { type: 'response.output_item.added', output_index: 2, item: { ...custom, input: '' } },
      { type: 'response.custom_tool_call_input.delta', output_index: 2, delta: 'SELECT 1' },
      { type: 'response.output_item.done', output_index: 2, item: custom },
      completed(),
    ]);
    expectEventRules(events, true);
    const value = { type: 'file_path', file_id: 'f' };
    expect(events.slice(1, -3)).toEqual([
      { type: 'part-start', choice: 0, part: { type: 'text' } },
      {
        type: 'delta',
        choice: 0,
        text: 'a',
        logprobs: [{ bytes: null, token: 'a', logprob: -1, top_logprobs: [] }],
      },
      {
        type: 'citation',
        choice: 0,
        citation: {
          url: 'https://x',
          title: 't',
          start: 0,
          end: 1,
          raw: { dialect: 'openai-responses', value: annotation },
        },
      },
      { type: 'citation', choice: 0, citation: { raw: { dialect: 'openai-responses', value } } },
      { type: 'part-end', choice: 0 },
      { type: 'part-start', choice: 0, part: { type: 'refusal' } },
      { type: 'delta', choice: 0, text: 'no' },
      { type: 'part-end', choice: 0 },
      {
        type: 'part-start',
        choice: 0,
        part: { type: 'whole', part: { type: 'unknown', dialect: 'openai-responses', value: search } },
      },
      { type: 'part-end', choice: 0 },
      { type: 'part-start', choice: 0, part: { type: 'tool-call', id: 'c', name: 'sql', kind: 'custom' } },
      { type: 'delta', choice: 0, text: 'SELECT 1' },
      { type: 'part-end', choice: 0 },
    ]);
  });

  test.each([
    [{ reason: 'max_output_tokens' }, 'length'],
    [{ reason: 'content_filter' }, 'content-filter'],
    [{ reason: 'tired' }, 'other'],
  ] as const)('may end early: %j', (incomplete_details, unified) => {
    const { events, error } = read([
      created,
      { type: 'response.incomplete', response: { output: [], incomplete_details } },
    ]);
    expect(error).toBeUndefined();
    expect(events.slice(1)).toEqual([
      { type: 'finish', choice: 0, finish: { unified, raw: incomplete_details.reason } },
      { type: 'end' },
    ]);
  });
});

describe('a stream that fails', () => {
  const failed = (error: JsonObject) => ({ type: 'response.failed', response: { status: 'failed', error } });

  test.each([
    [failed({ code: 'server_error', message: 'oops' }), 'upstream_error', undefined],
    [
      failed({ code: 'rate_limit_exceeded', message: 'Please try again in 1.2s.' }),
      'upstream_rate_limited',
      2,
    ],
    [failed({ code: 'invalid_prompt', message: 'flagged' }), 'content_policy_violation', undefined],
    [failed({ code: 'invalid_image', message: 'bad' }), 'upstream_rejected', undefined],
    [
      { type: 'error', code: 'context_length_exceeded', message: 'long' },
      'context_length_exceeded',
      undefined,
    ],
    [
      { type: 'error', error: { type: 'server_is_overloaded', message: 'x' } },
      'upstream_overloaded',
      undefined,
    ],
    [{ error: { message: 'x', code: 503 } }, 'upstream_overloaded', undefined],
  ])('says why: %j', (event, code, retryAfterSeconds) => {
    const { events, error } = read([created, message('a'), event]);
    expect(error).toMatchObject({ code, details: { provider: 'p' } });
    expect(error instanceof GatewayError && error.details.retryAfterSeconds).toBe(retryAfterSeconds);
    expect(events).toEqual([START, ...textPart('a')]);
  });

  test('by stopping is not complete', () => {
    for (const text of [sse([created, message('a')]), `${sse([created])}data: [DONE]\n\n`, '']) {
      expect(read(text).error).toMatchObject({ code: 'upstream_closed' });
    }
  });

  test('by what it sends is invalid', () => {
    for (const text of ['data: nonsense\n\n', 'data: []\n\n']) {
      expect(read(text).error).toMatchObject({ code: 'upstream_invalid_response' });
    }
  });
});

test('comments and unknown events are signs of life', () => {
  const { events } = read(`: hi\n\n${sse([created])}: hi\n\n${sse([{ type: 'keepalive' }, completed()])}`);
  expect(events).toEqual([START, { type: 'ping' }, { type: 'ping' }, ...END]);
});

test('nothing depends on where the bytes are split', () => {
  const event = fc.oneof(
    fc.record({
      type: fc.constantFrom(
        'response.output_text.delta',
        'response.refusal.delta',
        'response.reasoning_text.delta',
      ),
      output_index: fc.nat(2),
      content_index: fc.nat(1),
      delta: fc.string({ unit: 'grapheme' }),
    }),
    fc.record({
      type: fc.constant('response.reasoning_summary_text.delta'),
      output_index: fc.nat(2),
      summary_index: fc.nat(1),
      delta: fc.string({ unit: 'grapheme' }),
    }),
    fc.record({
      type: fc.constantFrom('response.output_item.added', 'response.output_item.done'),
      output_index: fc.nat(2),
      item: fc.oneof(
        fc.record({
          type: fc.constant('function_call'),
          call_id: fc.constantFrom('a', 'b'),
          name: fc.string(),
          arguments: fc.string(),
        }),
        fc.record({
          type: fc.constant('reasoning'),
          id: fc.constantFrom('x', 'y'),
          encrypted_content: fc.option(fc.string()),
          summary: fc.array(fc.record({ text: fc.string() }), { maxLength: 2 }),
        }),
        fc.constant({ type: 'web_search_call', id: 'w' }),
      ),
    }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 12 }), fc.nat(), fc.boolean(), (events, seed, ends) => {
      const text = sse([created, ...events, ...(ends ? [completed()] : [])]);
      const whole = read(text);
      expectEventRules(whole.events, ends);
      expect(read(text, seed).events).toEqual(whole.events);
    }),
    { numRuns: runs(200) },
  );
});
