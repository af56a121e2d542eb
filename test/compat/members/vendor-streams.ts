import { EventStreamCodec } from '@smithy/eventstream-codec';
import { isRecord, records } from '../../../src/core/json.ts';
import { toBytes } from '../../support/bytes.ts';
import { responsesEvents } from './responses-events.ts';
import type { Json, ValueRules } from './values.ts';
import { ANSWER_WALKS, type AnswerWalk, COHERE_CITATION, TEXT } from './vendor-answers.ts';

/** How the streamed responses of one vendor are walked. */
export interface StreamWalk extends AnswerWalk {
  /** The events of a response with one event that is tried. */
  readonly events: (event: Json) => readonly Json[];
  readonly encode: (event: Json) => Uint8Array;
  /** Behind the last event. */
  readonly end?: string;
}

const unnamed = (event: Json) => toBytes(`data: ${JSON.stringify(event)}\n\n`);
const named = (event: Json) => toBytes(`event: ${String(event.type)}\ndata: ${JSON.stringify(event)}\n\n`);

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);

/** An event of AWS's binary stream is named by its only member. */
function frame(event: Json): Uint8Array {
  const [[type = '', body] = []] = Object.entries(event);
  return codec.encode({
    headers: {
      ':message-type': { type: 'string', value: 'event' },
      ':event-type': { type: 'string', value: type },
      ':content-type': { type: 'string', value: 'application/json' },
    },
    body: toBytes(JSON.stringify(body)),
  });
}

function complete(title: string): AnswerWalk {
  const found = ANSWER_WALKS.find((walk) => walk.title === title);
  if (!found) throw new Error(`no walk of ${title}`);
  return found;
}

const chunk = (delta: Json, finish: string | null = null): Json => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 7,
  model: 'm',
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const CALL_DELTA = { index: 0, id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } };

const chunkRules: ValueRules = [
  [/^$/, () => chunk({ content: TEXT })],
  [/^choices\[\]$/, () => ({ index: 0, delta: { content: TEXT }, finish_reason: null })],
  [/^choices\[\]\.delta$/, () => ({ content: TEXT })],
  [/tool_calls\[\](?:\([^)]*\))?$/, () => CALL_DELTA],
  [/function_call$/, () => CALL_DELTA.function],
  [/\.function$/, () => CALL_DELTA.function],
];

const chat: StreamWalk = {
  ...complete('OpenAI chat completions'),
  type: { file: 'openai/resources/chat/completions/completions.d.ts', type: 'ChatCompletionChunk' },
  rules: [...chunkRules, ...complete('OpenAI chat completions').rules],
  events: (event) => {
    const ends = records(event.choices).some(({ finish_reason: reason }) => typeof reason === 'string');
    return [chunk({ role: 'assistant', content: 'Oh. ' }), event, ...(ends ? [] : [chunk({}, 'stop')])];
  },
  encode: unnamed,
  end: 'data: [DONE]\n\n',
};

const MESSAGE_START: Json = {
  type: 'message_start',
  message: {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'm',
    content: [],
    usage: { input_tokens: 3, output_tokens: 1 },
  },
};
const MESSAGE_DELTA: Json = {
  type: 'message_delta',
  delta: { stop_reason: 'end_turn', stop_sequence: null },
  usage: { output_tokens: 2 },
};
const block = (content_block: Json, ...deltas: readonly Json[]): Json[] => [
  { type: 'content_block_start', index: 0, content_block },
  ...deltas,
  { type: 'content_block_stop', index: 0 },
];
const SIGNED = { type: 'thinking', thinking: '', signature: '' };
const BLOCKS: Readonly<Record<string, Json>> = {
  text_delta: { type: 'text', text: '' },
  citations_delta: { type: 'text', text: '' },
  thinking_delta: SIGNED,
  signature_delta: SIGNED,
  input_json_delta: { type: 'tool_use', id: 'call_1', name: 'look', input: {} },
};

function messageEvents(event: Json): readonly Json[] {
  const delta = isRecord(event.delta) ? event.delta : {};
  const said = block({ type: 'text', text: '' }, textDelta(TEXT));
  const tried =
    event.type === 'content_block_delta'
      ? block(BLOCKS[String(delta.type)] ?? { type: 'text', text: '' }, { ...event, index: 0 })
      : said;
  const last = event.type === 'message_delta' ? event : MESSAGE_DELTA;
  return [MESSAGE_START, ...tried, last, { type: 'message_stop' }];
}

function textDelta(text: string): Json {
  return { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } };
}

const converseEvents = (event: Json): readonly Json[] => {
  const { contentBlockStart: start, contentBlockDelta: delta, messageStop: stop, metadata } = event;
  const call = {
    contentBlockStart: { contentBlockIndex: 1, start: { toolUse: { toolUseId: 'c', name: 'look' } } },
  };
  const isCall = isRecord(delta) && isRecord(delta.delta) && 'toolUse' in delta.delta;
  const tried =
    start !== undefined
      ? [{ contentBlockStart: { ...Object(start), contentBlockIndex: 1 } }]
      : delta !== undefined
        ? [...(isCall ? [call] : []), { contentBlockDelta: { ...Object(delta), contentBlockIndex: 1 } }]
        : [];
  return [
    { messageStart: { role: 'assistant' } },
    { contentBlockDelta: { contentBlockIndex: 0, delta: { text: 'Oh. ' } } },
    { contentBlockStop: { contentBlockIndex: 0 } },
    ...tried,
    ...(tried.length === 0 ? [] : [{ contentBlockStop: { contentBlockIndex: 1 } }]),
    { messageStop: stop ?? { stopReason: 'end_turn' } },
    { metadata: metadata ?? { usage: { inputTokens: 3, outputTokens: 2, totalTokens: 5 }, metrics: {} } },
  ];
};

const COHERE: readonly Json[] = [
  { type: 'message-start', id: 'c1', delta: { message: { role: 'assistant' } } },
  { type: 'content-start', index: 0, delta: { message: { content: { type: 'text', text: '' } } } },
  { type: 'content-delta', index: 0, delta: { message: { content: { text: TEXT } } } },
  { type: 'content-end', index: 0 },
  {
    type: 'tool-call-start',
    index: 0,
    delta: {
      message: { tool_calls: { id: 'c', type: 'function', function: { name: 'look', arguments: '' } } },
    },
  },
  {
    type: 'tool-call-delta',
    index: 0,
    delta: { message: { tool_calls: { function: { arguments: '{}' } } } },
  },
  { type: 'tool-call-end', index: 0 },
  {
    type: 'message-end',
    delta: { finish_reason: 'COMPLETE', usage: { tokens: { input_tokens: 3, output_tokens: 2 } } },
  },
];

/** The events of a response, with one in place of the first of its type, or behind the first content. */
function withEvent(events: readonly Json[], event: Json, behind: number): readonly Json[] {
  const at = events.findIndex(({ type }) => type === event.type);
  return at < 0 ? events.toSpliced(behind, 0, event) : events.toSpliced(at, 1, event);
}

export const STREAM_WALKS: readonly StreamWalk[] = [
  chat,
  {
    ...complete('OpenAI responses'),
    type: { file: 'openai/resources/responses/responses.d.ts', type: 'ResponseStreamEvent' },
    // Of the types of a complete response.
    skipped: [/\.response$/, /\.item$/, /\.part$/],
    rules: [
      [
        /\.annotation$/,
        (mark) => ({
          type: 'url_citation',
          url: `https://${mark}.test/`,
          title: 'A',
          start_index: 0,
          end_index: 5,
        }),
      ],
      ...complete('OpenAI responses').rules.slice(1),
    ],
    lists: [],
    events: responsesEvents,
    encode: named,
  },
  {
    ...complete('Anthropic messages'),
    type: {
      file: '@anthropic-ai/sdk/resources/messages/messages.d.ts',
      type: 'RawMessageStreamEvent',
    },
    // Of the types of a complete response.
    skipped: [/\.message$/, /\.content_block$/],
    rules: [
      [/\(type=message_delta\)\.usage$/, () => ({ output_tokens: 2 })],
      [/\(type=message_delta\)\.delta$/, () => ({ stop_reason: 'end_turn', stop_sequence: null })],
      [/\.partial_json$/, (mark) => JSON.stringify({ mark })],
      ...complete('Anthropic messages').rules.slice(1),
    ],
    events: messageEvents,
    encode: named,
  },
  {
    ...complete('Gemini'),
    events: (event) => [{ candidates: [{ content: { role: 'model', parts: [{ text: 'Oh. ' }] } }] }, event],
    encode: unnamed,
  },
  {
    ...complete('Bedrock Converse'),
    type: {
      file: '@aws-sdk/client-bedrock-runtime/dist-types/models/models_0.d.ts',
      type: 'ConverseStreamOutput',
    },
    skipped: [/^\(\w+Exception\)/, /^\(metadata\)\.metadata\.trace/],
    rules: [
      [/\.usage$/, () => ({ inputTokens: 3, outputTokens: 2, totalTokens: 5 })],
      [/\.toolUse\.input$/, (mark) => JSON.stringify({ mark })],
      [
        /\.citation$/,
        () => ({ title: 'A', location: { web: { url: 'https://a.test/', domain: 'a.test' } } }),
      ],
      ...complete('Bedrock Converse').rules.slice(1),
    ],
    lists: [],
    events: converseEvents,
    encode: frame,
  },
  {
    ...complete('Cohere chat'),
    type: {
      file: 'cohere-ai/api/resources/v2/types/V2ChatStreamResponse.d.ts',
      type: 'V2ChatStreamResponse',
      snakeCase: true,
    },
    rules: [
      [/tool-call-start\).*\.tool_calls(?:\([^)]*\))?$/, () => ({ ...CALL_DELTA, index: undefined })],
      [/\.logprobs$/, () => ({ text: TEXT, token_ids: [1], logprobs: [-1] })],
      [/\.citations$/, () => COHERE_CITATION],
      ...complete('Cohere chat').rules.slice(1),
    ],
    lists: [],
    events: (event) => withEvent(COHERE, event, 3),
    encode: named,
  },
  {
    ...chat,
    title: 'Mistral chat completions',
    target: 'Mistral',
    type: {
      file: '@mistralai/mistralai/esm/models/components/completionchunk.d.ts',
      type: 'CompletionChunk',
      snakeCase: true,
    },
  },
];
