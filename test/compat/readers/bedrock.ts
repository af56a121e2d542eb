import { EventStreamCodec } from '@smithy/eventstream-codec';
import {
  argumentsOf,
  at,
  countAt,
  emptyAnswer,
  type Finish,
  listAt,
  type ReadAnswer,
  textAt,
  usageOf,
  valueAt,
} from '../answer.ts';

const FINISH: Readonly<Record<string, Finish>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  tool_use: 'tool-calls',
  guardrail_intervened: 'filtered',
  content_filtered: 'filtered',
};

function usage(value: unknown) {
  const read = countAt(value, 'cacheReadInputTokens');
  const written = countAt(value, 'cacheWriteInputTokens');
  const input = (countAt(value, 'inputTokens') ?? 0) + (read ?? 0) + (written ?? 0);
  return usageOf({ input, output: countAt(value, 'outputTokens'), cached: read, reasoning: undefined });
}

/** An answer of Bedrock's Converse. */
export function readConverse(body: unknown): ReadAnswer {
  const answer = emptyAnswer();
  for (const block of listAt(body, 'output', 'message', 'content')) {
    answer.text += textAt(block, 'text');
    answer.reasoning += textAt(block, 'reasoningContent', 'reasoningText', 'text');
    const call = valueAt(block, 'toolUse');
    if (call) answer.toolCalls.push({ name: textAt(call, 'name'), arguments: valueAt(call, 'input') ?? {} });
  }
  answer.finish = FINISH[textAt(body, 'stopReason')] ?? 'none';
  answer.usage = usage(at(body, 'usage'));
  return answer;
}

/** Cuts a whole binary event stream into its messages. */
export function readConverseStream(bytes: Uint8Array): ReadAnswer {
  const codec = new EventStreamCodec(
    (input) => Buffer.from(input).toString('utf8'),
    (input) => Buffer.from(input, 'utf8'),
  );
  const answer = emptyAnswer();
  const calls = new Map<number, { name: string; text: string }>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let start = 0; start < bytes.length; ) {
    const length = view.getUint32(start);
    const { headers, body } = codec.decode(bytes.subarray(start, start + length));
    start += length;
    const event: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    const index = Number(valueAt(event, 'contentBlockIndex') ?? 0);
    switch (headers[':event-type']?.value) {
      case 'contentBlockStart': {
        const tool = valueAt(event, 'start', 'toolUse');
        if (tool) calls.set(index, { name: textAt(tool, 'name'), text: '' });
        break;
      }
      case 'contentBlockDelta': {
        answer.text += textAt(event, 'delta', 'text');
        answer.reasoning += textAt(event, 'delta', 'reasoningContent', 'text');
        const call = calls.get(index);
        if (call) call.text += textAt(event, 'delta', 'toolUse', 'input');
        break;
      }
      case 'messageStop':
        answer.finish = FINISH[textAt(event, 'stopReason')] ?? 'none';
        break;
      case 'metadata':
        answer.usage = usage(at(event, 'usage'));
        break;
    }
  }
  answer.toolCalls = [...calls.values()].map(({ name, text }) => ({ name, arguments: argumentsOf(text) }));
  return answer;
}
