/** The bytes that the mock upstream sends, all made once: it must cost as little as can be next to what is measured. */

const encoder = new TextEncoder();
const created = 1_750_000_000;
const words = [
  ' the',
  ' river',
  ' rises',
  ' behind',
  ' a',
  ' weir',
  ' and',
  ' falls',
  ' measured',
  ' beyond',
  ' it',
];

export interface ChatAnswers {
  /** Whole non-streaming HTTP answers, about 1.2 KB of JSON each, to give in turn. */
  readonly completions: readonly Uint8Array[];
  /** Head of a streaming answer, to be followed by frames. */
  readonly streamHead: Uint8Array;
  /** First event, with the role. */
  readonly first: Uint8Array;
  /** Events of about 250 bytes to send in turn, each one HTTP chunk. */
  readonly middle: readonly Uint8Array[];
  /** Event with the finish reason. */
  readonly last: Uint8Array;
  /** Event with usage only, sent when `stream_options.include_usage` is set. */
  readonly usage: Uint8Array;
  /** `data: [DONE]` and the end of the HTTP message. */
  readonly done: Uint8Array;
}

const usage = {
  prompt_tokens: 87,
  completion_tokens: 200,
  total_tokens: 287,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
};

function frame(text: string): Uint8Array {
  const length = encoder.encode(text).length;
  return encoder.encode(`${length.toString(16)}\r\n${text}\r\n`);
}

function event(model: string, fields: Record<string, unknown>): Uint8Array {
  const data = {
    id: 'chatcmpl-BenchMockUpstream0000000000001',
    object: 'chat.completion.chunk',
    created,
    model,
    service_tier: 'default',
    system_fingerprint: 'fp_b3n0c5h7',
    ...fields,
  };
  return frame(`data: ${JSON.stringify(data)}\n\n`);
}

const delta = (content: Record<string, unknown>, finish: string | null) => ({
  choices: [{ index: 0, delta: content, logprobs: null, finish_reason: finish }],
});

/** One event of Anthropic's format. */
function message(type: string, fields: Record<string, unknown>): Uint8Array {
  return frame(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
}

const blockDelta = (text: string) =>
  message('content_block_delta', { index: 0, delta: { type: 'text_delta', text } });

/** The same stream in Anthropic's format, for measuring a translation. */
export function messageAnswers(model: string): Omit<ChatAnswers, 'completions' | 'usage'> {
  const start = {
    id: 'msg_01BenchMockUpstream00001',
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 87, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 1 },
  };
  return {
    streamHead: STREAM_HEAD,
    first: Buffer.concat([
      message('message_start', { message: start }),
      message('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
      blockDelta('Now'),
    ]),
    middle: words.map(blockDelta),
    last: Buffer.concat([
      message('content_block_stop', { index: 0 }),
      message('message_delta', {
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: 200 },
      }),
    ]),
    done: Buffer.concat([message('message_stop', {}), encoder.encode('0\r\n\r\n')]),
  };
}

const STREAM_HEAD = encoder.encode(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n',
);

/** A whole HTTP/1.1 answer with a JSON body. */
export function jsonAnswer(status: string, value: unknown): Uint8Array {
  const body = encoder.encode(JSON.stringify(value));
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([encoder.encode(head), body]);
}

/** No two answers of a model are the same. */
const VARIETY = 64;

function completion(model: string, number: number): Uint8Array {
  const content = Array.from(
    { length: 105 + (number % 11) },
    (_, index) => words[(index + number) % words.length],
  );
  const more = { prompt_tokens: 87 + (number % 7), completion_tokens: 200 + (number % 11) };
  return jsonAnswer('200 OK', {
    id: `chatcmpl-BenchMockUpstream${String(number).padStart(13, '0')}`,
    object: 'chat.completion',
    created: created + number,
    model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          // Behind the first words, in two paragraphs.
          content: ` the river rises behind a weir:\n\n${content.join('')}`.trim(),
          refusal: null,
          annotations: [],
        },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: { ...usage, ...more, total_tokens: more.prompt_tokens + more.completion_tokens },
    service_tier: 'default',
    system_fingerprint: 'fp_b3n0c5h7',
  });
}

export function chatAnswers(model: string): ChatAnswers {
  return {
    completions: Array.from({ length: VARIETY }, (_, number) => completion(model, number)),
    streamHead: STREAM_HEAD,
    first: event(model, delta({ role: 'assistant', content: 'Now' }, null)),
    middle: words.map((word) => event(model, delta({ content: word }, null))),
    last: event(model, delta({}, 'stop')),
    usage: event(model, { choices: [], usage }),
    done: Buffer.concat([frame('data: [DONE]\n\n'), encoder.encode('0\r\n\r\n')]),
  };
}
