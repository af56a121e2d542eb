import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { splitAtRandom, toBytes } from '../../../test/support/bytes.ts';
import { expectEventRules, readEvents } from '../../../test/support/chat-events.ts';
import { upstreamHeaders } from '../../../test/support/fake-transport.ts';
import { testContext, testEmbeddingCall, testProvider, testTarget } from '../../../test/support/inference.ts';
import type { ChatRequest } from '../../core/chat/request.ts';
import type { Warning } from '../../core/warning.ts';
import { cohereAdapter, cohereChatFormat } from './index.ts';
import { CohereEventReader } from './stream.ts';

const target = testTarget(testProvider({ baseUrl: 'https://api.cohere.test' }), 'command-a');
const output = (body: unknown, status = 200) => ({
  status,
  headers: upstreamHeaders({ 'content-type': 'application/json' }),
  body: toBytes(JSON.stringify(body)),
});

function build(request: ChatRequest): { body: Record<string, unknown>; warnings: Warning[] } {
  const warnings: Warning[] = [];
  const options = { ...testContext({ warn: (warning) => warnings.push(warning) }), stream: false };
  const { url, body } = cohereChatFormat.build(request, target, { ...options, headers: new Headers() });
  expect(url).toBe('https://api.cohere.test/v2/chat');
  return { body: JSON.parse(body), warnings };
}

const hello = { role: 'user', content: [{ type: 'text', text: 'Hello' }] } as const;

describe('requests', () => {
  test('a conversation with tools, in order', () => {
    const { body, warnings } = build({
      messages: [
        { role: 'developer', content: [{ type: 'text', text: 'Be brief.' }] },
        hello,
        {
          role: 'assistant',
          content: [
            { type: 'reasoning', text: 'I look it up.', signature: { origin: 'cohere', value: 'tool_plan' } },
            { type: 'tool-call', id: 'a', name: 'find', arguments: '' },
            { type: 'tool-call', id: 'b', name: 'find', arguments: '{"x":1}' },
          ],
        },
        {
          role: 'tool',
          content: [
            { type: 'tool-result', callId: 'a', content: [{ type: 'text', text: '1' }] },
            { type: 'tool-result', callId: 'b', content: [{ type: 'text', text: 'no' }], isError: true },
          ],
        },
      ],
      tools: [{ type: 'function', name: 'find', parameters: { type: 'object' }, strict: true }],
      toolChoice: { type: 'tool', name: 'find' },
      topP: 0.5,
      topK: 3,
      stopSequences: ['x'],
      reasoning: { budgetTokens: 100 },
    });
    expect(body).toMatchObject({
      model: 'command-a',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: [{ type: 'text', text: 'Hello' }] },
        {
          role: 'assistant',
          tool_plan: 'I look it up.',
          tool_calls: [
            { id: 'a', function: { name: 'find', arguments: '{}' } },
            { id: 'b', function: { name: 'find', arguments: '{"x":1}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'a', content: [{ type: 'text', text: '1' }] },
        { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: 'Error: no' }] },
      ],
      tool_choice: 'REQUIRED',
      strict_tools: true,
      p: 0.5,
      k: 3,
      stop_sequences: ['x'],
      thinking: { type: 'enabled', token_budget: 100 },
      stream: false,
    });
    expect(warnings.map(({ param }) => param)).toEqual(['tool_choice']);
  });

  test('every unsupported parameter is a warning', () => {
    const { body, warnings } = build({
      messages: [
        hello,
        {
          role: 'assistant',
          content: [{ type: 'reasoning', text: 't', signature: { origin: 'openai', value: '' } }],
        },
      ],
      choices: 2,
      user: 'u',
      extensions: { dialect: 'openai-chat', members: { store: true, safety_mode: 'OFF' } },
    });
    expect(warnings.map(({ param }) => param).sort()).toEqual(['messages', 'n', 'store', 'user']);
    expect(body.safety_mode).toBe('OFF');
  });

  test('arguments in the history that are no JSON are the client’s mistake', () => {
    const call = { type: 'tool-call', id: 'a', name: 'find', arguments: '{"x' } as const;
    expect(() => build({ messages: [{ role: 'assistant', content: [call] }] })).toThrow('not JSON');
  });
});

const STREAM = [
  { type: 'message-start', id: 'm', delta: { message: { role: 'assistant' } } },
  { type: 'tool-plan-delta', delta: { message: { tool_plan: 'I plän ' } } },
  { type: 'tool-plan-delta', delta: { message: { tool_plan: 'it.' } } },
  {
    type: 'tool-call-start',
    index: 0,
    delta: { message: { tool_calls: { id: 'c', function: { name: 'find', arguments: '' } } } },
  },
  {
    type: 'tool-call-delta',
    index: 0,
    delta: { message: { tool_calls: { function: { arguments: '{"x":' } } } },
  },
  {
    type: 'tool-call-delta',
    index: 0,
    delta: { message: { tool_calls: { function: { arguments: '1}' } } } },
  },
  { type: 'tool-call-end', index: 0 },
  {
    type: 'message-end',
    delta: { finish_reason: 'TOOL_CALL', usage: { tokens: { input_tokens: 5, output_tokens: 2 } } },
  },
];
const wire = (events: readonly { readonly type: string }[]) =>
  toBytes(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''));

describe('streams', () => {
  const read = (pieces: readonly Uint8Array[]) => readEvents(new CohereEventReader(testProvider()), pieces);

  test('any split gives the same events', () => {
    const whole = read([wire(STREAM)]);
    expectEventRules(whole.events, true);
    expect(whole.events).toContainEqual({ type: 'delta', choice: 0, text: 'I plän ' });
    expect(whole.events).toContainEqual({
      type: 'finish',
      choice: 0,
      finish: { unified: 'tool-calls', raw: 'TOOL_CALL' },
    });
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 60 }), (seed, pieces) => {
        expect(read(splitAtRandom(wire(STREAM), seed, pieces)).events).toEqual(whole.events);
      }),
    );
  });

  test('a stream that stops before its end is a failure, wherever it stops', () => {
    for (let kept = 0; kept < STREAM.length - 1; kept += 1) {
      const { events, error } = read([wire(STREAM.slice(0, kept))]);
      expect(error).toMatchObject({ code: 'upstream_closed' });
      if (events.length > 0) expectEventRules(events, false);
    }
  });

  test('an answer that ends in an error is one', () => {
    const failed = [
      ...STREAM.slice(0, 1),
      { type: 'message-end', delta: { finish_reason: 'ERROR', error: 'broken' } },
    ];
    expect(read([wire(failed)]).error).toMatchObject({ code: 'upstream_error' });
  });
});

test('embeddings of both API versions are read', () => {
  const call = { ...testEmbeddingCall({ model: 'm', input: ['a', 'b'] }), render: JSON.stringify };
  const parse = (body: unknown) =>
    JSON.parse(cohereAdapter.parseResponse(output(body), call, target, testContext()).text);
  const meta = { billed_units: { input_tokens: 4 } };
  expect(parse({ embeddings: [[1], [2]], meta }).vectors).toEqual([[1], [2]]);
  expect(parse({ embeddings: { float: [[1], [2]] }, meta }).usage.inputTokens).toBe(4);
  expect(() => parse({ embeddings: [[1]] })).toThrow('1 embeddings for 2 inputs');
});

test.each([
  [400, 'too many tokens: size limit exceeded', 'context_length_exceeded'],
  [401, 'invalid api token', 'upstream_auth_failed'],
  [429, 'slow down', 'upstream_rate_limited'],
  [498, 'blocked', 'content_policy_violation'],
  [400, 'invalid request', 'upstream_rejected'],
  [500, 'oops', 'upstream_error'],
])('HTTP %d "%s" is %s', (status, message, code) => {
  expect(cohereAdapter.mapError(output({ message }, status), target)).toMatchObject({ code });
});

test('a complete response that ended with an error is an error', () => {
  const parse = (reason: string) =>
    cohereChatFormat.parse(output({ message: {}, finish_reason: reason, error: 'broke' }), target, {
      messages: [hello],
    });
  expect(() => parse('ERROR')).toThrow(expect.objectContaining({ code: 'upstream_error' }));
  expect(() => parse('TIMEOUT')).toThrow(expect.objectContaining({ code: 'upstream_timeout' }));
  expect(() => parse('ERROR')).toThrow('broke');
});

test('adjacent assistant messages with calls are one, because the results must follow at once', () => {
  const call = (id: string) =>
    ({ role: 'assistant', content: [{ type: 'tool-call', id, name: 'find', arguments: '{}' }] }) as const;
  const result = (callId: string) =>
    ({ type: 'tool-result', callId, content: [{ type: 'text', text: '1' }] }) as const;
  const results = { role: 'tool', content: [result('a'), result('b')] } as const;
  const { body } = build({ messages: [hello, call('a'), call('b'), results] });
  expect(body.messages).toMatchObject([
    { role: 'user' },
    { role: 'assistant', tool_calls: [{ id: 'a' }, { id: 'b' }] },
    { role: 'tool', tool_call_id: 'a' },
    { role: 'tool', tool_call_id: 'b' },
  ]);
});

test('log probabilities of a stream arrive with their text', () => {
  const logprobs = { text: 'Hi', token_ids: [1], logprobs: [-0.5] };
  const events = [
    { type: 'content-start', index: 0, delta: { message: { content: { type: 'text', text: '' } } } },
    { type: 'content-delta', index: 0, delta: { message: { content: { text: 'Hi' } } }, logprobs },
    { type: 'message-end', delta: { finish_reason: 'COMPLETE' } },
  ];
  const pieces = events.map((event) => toBytes(`data: ${JSON.stringify(event)}\n\n`));
  expect(readEvents(new CohereEventReader(testProvider()), pieces).events).toContainEqual({
    type: 'delta',
    choice: 0,
    text: 'Hi',
    logprobs: [{ token: 'Hi', logprob: -0.5, bytes: [72, 105], top_logprobs: [] }],
  });
});

test('strict tools of a client that speaks to Cohere stay strict', () => {
  const request: ChatRequest = {
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
    tools: [{ type: 'function', name: 'look', parameters: { type: 'object' } }],
    extensions: { dialect: 'openai-chat', members: { strict_tools: true } },
  };
  expect(build(request)).toMatchObject({ body: { strict_tools: true }, warnings: [] });
});
