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
  /** Whole non-streaming HTTP answer, about 1.2 KB of JSON. */
  readonly completion: Uint8Array;
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

/** A whole HTTP/1.1 answer with a JSON body. */
export function jsonAnswer(status: string, value: unknown): Uint8Array {
  const body = encoder.encode(JSON.stringify(value));
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([encoder.encode(head), body]);
}

export function chatAnswers(model: string): ChatAnswers {
  const content = Array.from({ length: 110 }, (_, index) => words[index % words.length]).join('');
  return {
    completion: jsonAnswer('200 OK', {
      id: 'chatcmpl-BenchMockUpstream0000000000001',
      object: 'chat.completion',
      created,
      model,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: content.trim(), refusal: null, annotations: [] },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage,
      service_tier: 'default',
      system_fingerprint: 'fp_b3n0c5h7',
    }),
    streamHead: encoder.encode(
      'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n',
    ),
    first: event(model, delta({ role: 'assistant', content: 'Now' }, null)),
    middle: words.map((word) => event(model, delta({ content: word }, null))),
    last: event(model, delta({}, 'stop')),
    usage: event(model, { choices: [], usage }),
    done: Buffer.concat([frame('data: [DONE]\n\n'), encoder.encode('0\r\n\r\n')]),
  };
}
