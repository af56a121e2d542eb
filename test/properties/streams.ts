import { EventStreamCodec } from '@smithy/eventstream-codec';
import { toBytes } from '../support/bytes.ts';

/** A small stream of each provider format, with letters of several bytes: thinking, text and a tool call. */

/** Each event's bytes. */
const sse = (events: readonly unknown[], named = false, last = ''): readonly Uint8Array[] => [
  ...events.map((event) => {
    const name = named ? `event: ${Object(event).type}\n` : '';
    return toBytes(`${name}data: ${JSON.stringify(event)}\n\n`);
  }),
  ...(last === '' ? [] : [toBytes(last)]),
];

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);

/** A frame of AWS's binary event stream. */
function frame(type: string, body: unknown): Uint8Array {
  return codec.encode({
    headers: {
      ':message-type': { type: 'string', value: 'event' },
      ':event-type': { type: 'string', value: type },
      ':content-type': { type: 'string', value: 'application/json' },
    },
    body: toBytes(JSON.stringify(body)),
  });
}

const chunk = (delta: unknown, finish: string | null = null) => ({
  id: 'a',
  object: 'chat.completion.chunk',
  created: 7,
  model: 'm',
  choices: [{ index: 0, delta, finish_reason: finish }],
});

const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'look', arguments: '' } };

export const STREAMS = {
  'OpenAI chat': sse(
    [
      chunk({ role: 'assistant', reasoning_content: 'Hm … 思' }),
      chunk({ content: 'Grüße, 世界 ' }),
      chunk({ content: '🌍' }),
      chunk({ tool_calls: [call] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '{"wo":"Zü' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: 'rich"}' } }] }),
      chunk({}, 'tool_calls'),
      { ...chunk({}), choices: [], usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } },
    ],
    false,
    'data: [DONE]\n\n',
  ),
  'Anthropic messages': sse(
    [
      {
        type: 'message_start',
        message: {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model: 'm',
          content: [],
          usage: { input_tokens: 3, output_tokens: 1 },
        },
      },
      {
        type: 'content_block_start',
        index: 0,
        content_block: { type: 'thinking', thinking: '', signature: '' },
      },
      { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'Hm … 思' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'c2ln' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'ping' },
      { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'Grüße, 世界 🌍' } },
      { type: 'content_block_stop', index: 1 },
      {
        type: 'content_block_start',
        index: 2,
        content_block: { type: 'tool_use', id: 'call_1', name: 'look', input: {} },
      },
      {
        type: 'content_block_delta',
        index: 2,
        delta: { type: 'input_json_delta', partial_json: '{"wo":"Zürich"}' },
      },
      { type: 'content_block_stop', index: 2 },
      {
        type: 'message_delta',
        delta: { stop_reason: 'tool_use', stop_sequence: null },
        usage: { output_tokens: 9 },
      },
      { type: 'message_stop' },
    ],
    true,
  ),
  'OpenAI responses': sse(
    [
      {
        type: 'response.created',
        sequence_number: 0,
        response: {
          id: 'resp_1',
          object: 'response',
          created_at: 7,
          model: 'm',
          status: 'in_progress',
          output: [],
        },
      },
      {
        type: 'response.output_item.added',
        sequence_number: 1,
        output_index: 0,
        item: { type: 'message', id: 'm1', role: 'assistant', status: 'in_progress', content: [] },
      },
      {
        type: 'response.content_part.added',
        sequence_number: 2,
        item_id: 'm1',
        output_index: 0,
        content_index: 0,
        part: { type: 'output_text', text: '', annotations: [] },
      },
      {
        type: 'response.output_text.delta',
        sequence_number: 3,
        item_id: 'm1',
        output_index: 0,
        content_index: 0,
        delta: 'Grüße, 世界 🌍',
      },
      {
        type: 'response.output_text.done',
        sequence_number: 4,
        item_id: 'm1',
        output_index: 0,
        content_index: 0,
        text: 'Grüße, 世界 🌍',
      },
      {
        type: 'response.output_item.done',
        sequence_number: 5,
        output_index: 0,
        item: {
          type: 'message',
          id: 'm1',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'Grüße, 世界 🌍', annotations: [] }],
        },
      },
      {
        type: 'response.output_item.added',
        sequence_number: 6,
        output_index: 1,
        item: {
          type: 'function_call',
          id: 'f1',
          call_id: 'call_1',
          name: 'look',
          arguments: '',
          status: 'in_progress',
        },
      },
      {
        type: 'response.function_call_arguments.delta',
        sequence_number: 7,
        item_id: 'f1',
        output_index: 1,
        delta: '{"wo":"Zürich"}',
      },
      {
        type: 'response.output_item.done',
        sequence_number: 8,
        output_index: 1,
        item: {
          type: 'function_call',
          id: 'f1',
          call_id: 'call_1',
          name: 'look',
          arguments: '{"wo":"Zürich"}',
          status: 'completed',
        },
      },
      {
        type: 'response.completed',
        sequence_number: 9,
        response: {
          id: 'resp_1',
          object: 'response',
          created_at: 7,
          model: 'm',
          status: 'completed',
          output: [
            {
              type: 'message',
              id: 'm1',
              role: 'assistant',
              status: 'completed',
              content: [{ type: 'output_text', text: 'Grüße, 世界 🌍', annotations: [] }],
            },
            {
              type: 'function_call',
              id: 'f1',
              call_id: 'call_1',
              name: 'look',
              arguments: '{"wo":"Zürich"}',
              status: 'completed',
            },
          ],
          usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7 },
        },
      },
    ],
    true,
  ),
  Gemini: sse([
    {
      candidates: [{ index: 0, content: { role: 'model', parts: [{ text: 'Hm … 思', thought: true }] } }],
      modelVersion: 'm',
      responseId: 'g1',
    },
    { candidates: [{ index: 0, content: { role: 'model', parts: [{ text: 'Grüße, 世界 ' }] } }] },
    { candidates: [{ index: 0, content: { role: 'model', parts: [{ text: '🌍' }] } }] },
    {
      candidates: [
        {
          index: 0,
          content: {
            role: 'model',
            parts: [{ functionCall: { name: 'look', args: { wo: 'Zürich' } }, thoughtSignature: 'c2ln' }],
          },
          finishReason: 'STOP',
        },
      ],
      usageMetadata: {
        promptTokenCount: 3,
        candidatesTokenCount: 4,
        thoughtsTokenCount: 2,
        totalTokenCount: 9,
      },
    },
  ]),
  'Bedrock converse': [
    frame('messageStart', { role: 'assistant' }),
    frame('contentBlockDelta', { contentBlockIndex: 0, delta: { reasoningContent: { text: 'Hm … 思' } } }),
    frame('contentBlockDelta', { contentBlockIndex: 0, delta: { reasoningContent: { signature: 'c2ln' } } }),
    frame('contentBlockStop', { contentBlockIndex: 0 }),
    frame('contentBlockDelta', { contentBlockIndex: 1, delta: { text: 'Grüße, 世界 🌍' } }),
    frame('contentBlockStop', { contentBlockIndex: 1 }),
    frame('contentBlockStart', {
      contentBlockIndex: 2,
      start: { toolUse: { toolUseId: 'call_1', name: 'look' } },
    }),
    frame('contentBlockDelta', { contentBlockIndex: 2, delta: { toolUse: { input: '{"wo":"Zürich"}' } } }),
    frame('contentBlockStop', { contentBlockIndex: 2 }),
    frame('messageStop', { stopReason: 'tool_use' }),
    frame('metadata', {
      usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7 },
      metrics: { latencyMs: 1 },
    }),
  ],
  Cohere: sse(
    [
      {
        type: 'message-start',
        id: 'c1',
        delta: { message: { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] } },
      },
      { type: 'content-start', index: 0, delta: { message: { content: { type: 'text', text: '' } } } },
      { type: 'content-delta', index: 0, delta: { message: { content: { text: 'Grüße, 世界 🌍' } } } },
      { type: 'content-end', index: 0 },
      {
        type: 'tool-call-start',
        index: 0,
        delta: {
          message: {
            tool_calls: { id: 'call_1', type: 'function', function: { name: 'look', arguments: '' } },
          },
        },
      },
      {
        type: 'tool-call-delta',
        index: 0,
        delta: { message: { tool_calls: { function: { arguments: '{"wo":"Zürich"}' } } } },
      },
      { type: 'tool-call-end', index: 0 },
      {
        type: 'message-end',
        delta: {
          finish_reason: 'TOOL_CALL',
          usage: {
            billed_units: { input_tokens: 3, output_tokens: 4 },
            tokens: { input_tokens: 3, output_tokens: 4 },
          },
        },
      },
    ],
    true,
  ),
  'Ollama chat': [
    { message: { role: 'assistant', content: '', thinking: 'Hm … 思' }, done: false },
    { message: { role: 'assistant', content: 'Grüße, 世界 🌍' }, done: false },
    {
      message: {
        role: 'assistant',
        content: '',
        tool_calls: [{ function: { name: 'look', arguments: { wo: 'Zürich' } } }],
      },
      done: false,
    },
    {
      message: { role: 'assistant', content: '' },
      done: true,
      done_reason: 'stop',
      prompt_eval_count: 3,
      eval_count: 4,
    },
  ].map((piece) =>
    toBytes(`${JSON.stringify({ model: 'm', created_at: '2026-08-06T06:53:44.157971Z', ...piece })}\n`),
  ),
} as const;
