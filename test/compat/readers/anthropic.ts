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
  model_context_window_exceeded: 'length',
  tool_use: 'tool-calls',
  refusal: 'filtered',
  pause_turn: 'pause',
};

function usage(value: unknown) {
  const read = countAt(value, 'cache_read_input_tokens');
  const written = countAt(value, 'cache_creation_input_tokens');
  const input = (countAt(value, 'input_tokens') ?? 0) + (read ?? 0) + (written ?? 0);
  return usageOf({ input, output: countAt(value, 'output_tokens'), cached: read, reasoning: undefined });
}

/** A message of Anthropic's API, or of its SDK. */
export function readMessage(message: unknown): ReadAnswer {
  const answer = emptyAnswer();
  for (const block of listAt(message, 'content')) {
    const type = textAt(block, 'type');
    if (type === 'text') answer.text += textAt(block, 'text');
    else if (type === 'thinking') answer.reasoning += textAt(block, 'thinking');
    else if (type === 'tool_use') {
      answer.toolCalls.push({ name: textAt(block, 'name'), arguments: argumentsOf(valueAt(block, 'input')) });
    }
  }
  answer.finish = FINISH[textAt(message, 'stop_reason')] ?? 'none';
  answer.usage = usage(at(message, 'usage'));
  return answer;
}

/** The same from a stream's events, put together by hand. */
export function readMessageEvents(events: readonly unknown[]): ReadAnswer {
  const blocks: Record<string, unknown>[] = [];
  const json: string[] = [];
  let stop: unknown = null;
  let used: Record<string, unknown> = {};
  for (const event of events) {
    const index = Number(valueAt(event, 'index') ?? 0);
    switch (textAt(event, 'type')) {
      case 'message_start':
        used = { ...at(event, 'message', 'usage') };
        break;
      case 'content_block_start':
        blocks[index] = { ...at(event, 'content_block') };
        json[index] = '';
        break;
      case 'content_block_delta': {
        const block = blocks[index];
        if (!block) throw new Error('a delta without a block');
        if (textAt(event, 'delta', 'type') === 'text_delta')
          block.text = textAt(block, 'text') + textAt(event, 'delta', 'text');
        if (textAt(event, 'delta', 'type') === 'thinking_delta') {
          block.thinking = textAt(block, 'thinking') + textAt(event, 'delta', 'thinking');
        }
        if (textAt(event, 'delta', 'type') === 'input_json_delta')
          json[index] += textAt(event, 'delta', 'partial_json');
        break;
      }
      case 'message_delta':
        stop = valueAt(event, 'delta', 'stop_reason');
        used = { ...used, ...at(event, 'usage') };
        break;
    }
  }
  blocks.forEach((block, index) => {
    if (block.type === 'tool_use' && json[index]) block.input = argumentsOf(json[index]);
  });
  return readMessage({ content: blocks, stop_reason: stop, usage: used });
}
