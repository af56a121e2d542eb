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
  COMPLETE: 'stop',
  STOP_SEQUENCE: 'stop',
  MAX_TOKENS: 'length',
  TOOL_CALL: 'tool-calls',
};

function usage(value: unknown) {
  return usageOf({
    input: countAt(value, 'tokens', 'input_tokens'),
    output: countAt(value, 'tokens', 'output_tokens'),
    cached: countAt(value, 'cached_tokens'),
    reasoning: undefined,
  });
}

/** An answer of Cohere's v2 chat. A tool plan is what it thought before calling tools. */
export function readCohere(body: unknown): ReadAnswer {
  const answer = emptyAnswer();
  const message = at(body, 'message');
  answer.reasoning += textAt(message, 'tool_plan');
  for (const block of listAt(message, 'content')) {
    if (textAt(block, 'type') === 'thinking') answer.reasoning += textAt(block, 'thinking');
    else answer.text += textAt(block, 'text');
  }
  for (const call of listAt(message, 'tool_calls')) {
    answer.toolCalls.push({
      name: textAt(call, 'function', 'name'),
      arguments: argumentsOf(valueAt(call, 'function', 'arguments')),
    });
  }
  answer.finish = FINISH[textAt(body, 'finish_reason')] ?? 'none';
  answer.usage = usage(at(body, 'usage'));
  return answer;
}

export function readCohereEvents(events: readonly unknown[]): ReadAnswer {
  const answer = emptyAnswer();
  const calls: { name: string; text: string }[] = [];
  for (const event of events) {
    const message = at(event, 'delta', 'message');
    switch (textAt(event, 'type')) {
      case 'content-start':
      case 'content-delta':
        answer.text += textAt(message, 'content', 'text');
        answer.reasoning += textAt(message, 'content', 'thinking');
        break;
      case 'tool-plan-delta':
        answer.reasoning += textAt(message, 'tool_plan');
        break;
      case 'tool-call-start':
        calls.push({
          name: textAt(message, 'tool_calls', 'function', 'name'),
          text: textAt(message, 'tool_calls', 'function', 'arguments'),
        });
        break;
      case 'tool-call-delta': {
        const call = calls.at(-1);
        if (call) call.text += textAt(message, 'tool_calls', 'function', 'arguments');
        break;
      }
      case 'message-end':
        answer.finish = FINISH[textAt(event, 'delta', 'finish_reason')] ?? 'none';
        answer.usage = usage(at(event, 'delta', 'usage'));
        break;
    }
  }
  answer.toolCalls = calls.map(({ name, text }) => ({ name, arguments: argumentsOf(text) }));
  return answer;
}
