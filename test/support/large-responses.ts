import { EventStreamCodec } from '@smithy/eventstream-codec';

/** Responses of any size, in every provider format and every dimension in which they can grow. */

type Json = Record<string, unknown>;
/** @param size number of parts, calls, citations or whatever grows */
export type LargeResponse = (size: number) => Uint8Array;

export interface LargeResponses {
  readonly complete: Readonly<Record<string, LargeResponse>>;
  readonly streamed: Readonly<Record<string, LargeResponse>>;
}

function times<T>(size: number, make: (index: number) => T): T[] {
  return Array.from({ length: size }, (_, index) => make(index));
}

const encoder = new TextEncoder();
const bytes = (value: Json) => encoder.encode(JSON.stringify(value));
const sse = (events: readonly Json[], last = '') =>
  encoder.encode(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('') + last);

const chunk = (delta: Json, finish: string | null = null) => ({
  id: 'c',
  object: 'chat.completion.chunk',
  created: 7,
  model: 'm',
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const completion = (message: Json, more: Json = {}) =>
  bytes({
    id: 'c',
    created: 7,
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: 'stop', ...more }],
  });
const chunks = (deltas: readonly Json[]) =>
  sse([...deltas.map((delta) => chunk(delta)), chunk({}, 'stop')], 'data: [DONE]\n\n');
const openAiCall = (index: number) => ({
  index,
  id: `call_${index}`,
  type: 'function',
  function: { name: 'f', arguments: '{}' },
});
const annotation = { type: 'url_citation', url_citation: { url: 'https://a.test', title: 'a' } };
const source = (index: number) => `https://a.test/${index}`;
const logprob = { token: 'a', logprob: -1, bytes: [97], top_logprobs: [] };

const OPENAI_CHAT: LargeResponses = {
  complete: {
    texts: (size) => completion({ content: times(size, () => ({ type: 'text', text: 'a' })) }),
    'texts and citations': (size) =>
      completion({
        content: times(size, () => ({ type: 'text', text: 'a' })),
        annotations: times(size, () => annotation),
      }),
    'tool calls': (size) => completion({ content: null, tool_calls: times(size, openAiCall) }),
    'tool calls without ids': (size) =>
      completion({ tool_calls: times(size, () => ({ function: { name: 'f', arguments: '{}' } })) }),
    reasoning: (size) =>
      completion({ reasoning_details: times(size, () => ({ type: 'reasoning.text', text: 'a' })) }),
    'log probabilities': (size) =>
      completion({ content: 'a' }, { logprobs: { content: times(size, () => logprob) } }),
    'choices with sources': (size) =>
      bytes({
        id: 'c',
        citations: times(size, source),
        choices: times(size, (index) => ({ index, message: { content: 'a' }, finish_reason: 'stop' })),
      }),
  },
  streamed: {
    text: (size) => chunks(times(size, () => ({ content: 'a' }))),
    'text and reasoning in turn': (size) =>
      chunks(times(size, (index) => (index % 2 === 0 ? { content: 'a' } : { reasoning: 'b' }))),
    'tool calls': (size) => chunks(times(size, (index) => ({ tool_calls: [openAiCall(index)] }))),
    citations: (size) => chunks([{ content: 'a' }, ...times(size, () => ({ annotations: [annotation] }))]),
    // A stream has at most 1,024 choices.
    'choices with sources': (size) =>
      sse(
        [
          { id: 'c', citations: times(size, source), choices: [] },
          ...times(Math.ceil(size / 10), (index) => ({
            id: 'c',
            choices: [{ index, delta: { content: 'a' }, finish_reason: 'stop' }],
          })),
        ],
        'data: [DONE]\n\n',
      ),
  },
};

const messageOutput = (text: string, annotations: readonly Json[] = []) => ({
  type: 'output_text',
  text,
  annotations,
});
const messageItem = (index: number, content: readonly Json[]) => ({
  type: 'message',
  id: `msg_${index}`,
  role: 'assistant',
  content,
});
const callItem = (index: number) => ({
  type: 'function_call',
  id: `fc_${index}`,
  call_id: `call_${index}`,
  name: 'f',
  arguments: '{}',
});
const reasoningItem = (index: number) => ({
  type: 'reasoning',
  id: `rs_${index}`,
  summary: [{ type: 'summary_text', text: 'a' }],
  encrypted_content: 'x',
});
const response = (output: readonly Json[]) => ({ id: 'resp_1', status: 'completed', model: 'm', output });
const responseEvents = (output: readonly Json[], withItems: boolean) => [
  { type: 'response.created', response: { ...response([]), status: 'in_progress' } },
  ...(withItems
    ? output.flatMap((item, output_index) => [
        { type: 'response.output_item.added', output_index, item },
        { type: 'response.output_item.done', output_index, item },
      ])
    : []),
  { type: 'response.completed', response: response(output) },
];
const urlCitation = { type: 'url_citation', url: 'https://a.test', title: 'a' };

const RESPONSES: LargeResponses = {
  complete: {
    messages: (size) => bytes(response(times(size, (index) => messageItem(index, [messageOutput('a')])))),
    'parts of a message': (size) =>
      bytes(
        response([
          messageItem(
            0,
            times(size, () => messageOutput('a')),
          ),
        ]),
      ),
    citations: (size) =>
      bytes(
        response([
          messageItem(0, [
            messageOutput(
              'a',
              times(size, () => urlCitation),
            ),
          ]),
        ]),
      ),
    'tool calls': (size) => bytes(response(times(size, callItem))),
    reasoning: (size) => bytes(response(times(size, reasoningItem))),
  },
  streamed: {
    'tool calls': (size) => sse(responseEvents(times(size, callItem), true)),
    messages: (size) =>
      sse(
        responseEvents(
          times(size, (index) => messageItem(index, [messageOutput('a')])),
          true,
        ),
      ),
    reasoning: (size) => sse(responseEvents(times(size, reasoningItem), true)),
    'all at the end': (size) => sse(responseEvents(times(size, callItem), false)),
    'items that begin before others end': (size) =>
      sse([
        { type: 'response.created', response: { ...response([]), status: 'in_progress' } },
        ...times(size, (output_index) => ({
          type: 'response.output_item.added',
          output_index,
          item: callItem(output_index),
        })),
        ...times(size, (output_index) => ({
          type: 'response.function_call_arguments.delta',
          output_index,
          delta: '{}',
        })),
        { type: 'response.completed', response: response(times(size, callItem)) },
      ]),
  },
};

const message = (content: readonly Json[]) =>
  bytes({ type: 'message', id: 'msg_1', model: 'm', content, stop_reason: 'end_turn', usage: {} });
const block = (content_block: Json, index: number, deltas: readonly Json[]) => [
  { type: 'content_block_start', index, content_block },
  ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
  { type: 'content_block_stop', index },
];
const messageEvents = (blocks: readonly Json[]) =>
  sse([
    { type: 'message_start', message: { id: 'msg_1', model: 'm', usage: { input_tokens: 1 } } },
    ...blocks,
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } },
    { type: 'message_stop' },
  ]);
const toolUse = (index: number) => ({ type: 'tool_use', id: `call_${index}`, name: 'f', input: { a: 1 } });
const webCitation = {
  type: 'web_search_result_location',
  url: 'https://a.test',
  title: 'a',
  cited_text: 'b',
};
const textDelta = { type: 'text_delta', text: 'a' };

const MESSAGES: LargeResponses = {
  complete: {
    texts: (size) => message(times(size, () => ({ type: 'text', text: 'a' }))),
    'tool uses': (size) => message(times(size, toolUse)),
    thinking: (size) => message(times(size, () => ({ type: 'thinking', thinking: 'a', signature: 'x' }))),
    citations: (size) => message([{ type: 'text', text: 'a', citations: times(size, () => webCitation) }]),
  },
  streamed: {
    'deltas of a text': (size) =>
      messageEvents(
        block(
          { type: 'text', text: '' },
          0,
          times(size, () => textDelta),
        ),
      ),
    texts: (size) =>
      messageEvents(times(size, (index) => block({ type: 'text', text: '' }, index, [textDelta])).flat()),
    'tool uses': (size) => messageEvents(times(size, (index) => block(toolUse(index), index, [])).flat()),
    citations: (size) =>
      messageEvents(
        block(
          { type: 'text', text: '' },
          0,
          times(size, () => ({ type: 'citations_delta', citation: webCitation })),
        ),
      ),
    'members of usage': (size) =>
      messageEvents(
        times(size, (index) => ({
          type: 'message_delta',
          delta: {},
          usage: { [`member_${index}`]: 1, output_tokens: index },
        })),
      ),
    pings: (size) => messageEvents(times(size, () => ({ type: 'ping' }))),
  },
};

const candidate = (parts: readonly Json[], more: Json = {}) => ({
  responseId: 'r'.repeat(1_000),
  modelVersion: 'm',
  candidates: [{ index: 0, content: { parts }, finishReason: 'STOP', ...more }],
});
const functionCall = (index: number) => ({ functionCall: { name: 'f', args: { index } } });
const grounding = (size: number) => ({
  groundingMetadata: {
    groundingChunks: times(size, () => ({ web: { uri: 'https://a.test', title: 'a' } })),
    groundingSupports: times(size, (index) => ({ segment: { text: 'a' }, groundingChunkIndices: [index] })),
  },
});

const GEMINI: LargeResponses = {
  complete: {
    texts: (size) => bytes(candidate(times(size, () => ({ text: 'a' })))),
    'function calls': (size) => bytes(candidate(times(size, functionCall))),
    sources: (size) => bytes(candidate([{ text: 'a' }], grounding(size))),
    'log probabilities': (size) =>
      bytes(
        candidate([{ text: 'a' }], {
          logprobsResult: {
            chosenCandidates: times(size, () => ({ token: 'a', logProbability: -1 })),
            topCandidates: times(size, () => ({ candidates: [{ token: 'a', logProbability: -1 }] })),
          },
        }),
      ),
  },
  streamed: {
    texts: (size) => sse(times(size, () => candidate([{ text: 'a' }]))),
    'function calls': (size) => sse(times(size, (index) => candidate([functionCall(index)]))),
    'text and thoughts in turn': (size) =>
      sse(times(size, (index) => candidate([{ text: 'a', thought: index % 2 === 0 }]))),
  },
};

const codec = new EventStreamCodec(
  (given) => Buffer.from(given).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);
const frames = (events: readonly (readonly [type: string, body: Json])[]) =>
  Buffer.concat(
    events.map(([type, body]) =>
      codec.encode({
        headers: {
          ':message-type': { type: 'string', value: 'event' },
          ':event-type': { type: 'string', value: type },
        },
        body: bytes(body),
      }),
    ),
  );
const converse = (content: readonly Json[]) =>
  bytes({ output: { message: { role: 'assistant', content } }, stopReason: 'end_turn' });
const END_OF_CONVERSE = ['messageStop', { stopReason: 'end_turn' }] as const;

const BEDROCK: LargeResponses = {
  complete: {
    texts: (size) => converse(times(size, () => ({ text: 'a' }))),
    'tool uses': (size) =>
      converse(times(size, (index) => ({ toolUse: { toolUseId: `c${index}`, name: 'f', input: {} } }))),
    citations: (size) =>
      converse([
        { citationsContent: { content: [{ text: 'a' }], citations: times(size, () => ({ title: 'a' })) } },
      ]),
  },
  streamed: {
    deltas: (size) =>
      frames([
        ...times(size, () => ['contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'a' } }] as const),
        END_OF_CONVERSE,
      ]),
    blocks: (size) =>
      frames([
        ...times(
          size,
          (index) => ['contentBlockDelta', { contentBlockIndex: index, delta: { text: 'a' } }] as const,
        ),
        END_OF_CONVERSE,
      ]),
    'one large event': (size) =>
      frames([
        ['contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'a'.repeat(100 * size) } }],
        END_OF_CONVERSE,
      ]),
  },
};

const cohere = (given: Json) =>
  bytes({ id: 'c', message: { role: 'assistant', ...given }, finish_reason: 'COMPLETE' });
const cohereCitation = { start: 0, end: 1, text: 'a', sources: [{ document: { title: 'a' } }] };
const COHERE_END = { type: 'message-end', delta: { finish_reason: 'COMPLETE', usage: {} } };

const COHERE: LargeResponses = {
  complete: {
    'texts and citations': (size) =>
      cohere({
        content: times(size, () => ({ type: 'text', text: 'a' })),
        citations: times(size, () => cohereCitation),
      }),
    'tool calls': (size) => cohere({ tool_calls: times(size, openAiCall) }),
  },
  streamed: {
    deltas: (size) =>
      sse([
        { type: 'content-start', delta: { message: { content: { type: 'text', text: '' } } } },
        ...times(size, () => ({ type: 'content-delta', delta: { message: { content: { text: 'a' } } } })),
        COHERE_END,
      ]),
    'tool calls': (size) =>
      sse([
        ...times(size, (index) => ({
          type: 'tool-call-start',
          delta: { message: { tool_calls: openAiCall(index) } },
        })),
        COHERE_END,
      ]),
  },
};

const ollama = (given: Json, done = true) => ({
  model: 'm',
  created_at: '2025-01-01T00:00:00Z',
  message: { role: 'assistant', ...given },
  done,
  done_reason: 'stop',
});
const ollamaCall = { function: { name: 'f', arguments: {} } };
const lines = (events: readonly Json[]) =>
  encoder.encode(events.map((event) => `${JSON.stringify(event)}\n`).join(''));

const OLLAMA: LargeResponses = {
  complete: {
    'tool calls': (size) => bytes(ollama({ content: 'a', tool_calls: times(size, () => ollamaCall) })),
  },
  streamed: {
    texts: (size) => lines([...times(size, () => ollama({ content: 'a' }, false)), ollama({})]),
    'tool calls': (size) =>
      lines([...times(size, () => ollama({ tool_calls: [ollamaCall] }, false)), ollama({})]),
    'one long line': (size) => lines([ollama({ content: 'a'.repeat(100 * size) }, false), ollama({})]),
  },
};

/** By the format's name. */
export const LARGE_RESPONSES = {
  'OpenAI chat': OPENAI_CHAT,
  'OpenAI Responses': RESPONSES,
  Anthropic: MESSAGES,
  Gemini: GEMINI,
  Bedrock: BEDROCK,
  Cohere: COHERE,
  Ollama: OLLAMA,
} as const satisfies Readonly<Record<string, LargeResponses>>;
