import { toText } from '../../support/bytes.ts';
import {
  argumentsOf,
  at,
  countAt,
  emptyAnswer,
  listAt,
  type ReadAnswer,
  textAt,
  usageOf,
  valueAt,
} from '../answer.ts';

/** An answer of Ollama's own chat, whole or in pieces. */
export function readOllama(pieces: readonly unknown[]): ReadAnswer {
  const answer = emptyAnswer();
  for (const piece of pieces) {
    const message = at(piece, 'message');
    answer.text += textAt(message, 'content');
    answer.reasoning += textAt(message, 'thinking');
    for (const call of listAt(message, 'tool_calls')) {
      answer.toolCalls.push({
        name: textAt(call, 'function', 'name'),
        arguments: argumentsOf(valueAt(call, 'function', 'arguments')),
      });
    }
    if (valueAt(piece, 'done') !== true) continue;
    const reason = textAt(piece, 'done_reason');
    answer.finish = answer.toolCalls.length > 0 ? 'tool-calls' : reason === 'length' ? 'length' : 'stop';
    answer.usage = usageOf({
      input: countAt(piece, 'prompt_eval_count'),
      output: countAt(piece, 'eval_count'),
      cached: undefined,
      reasoning: undefined,
    });
  }
  return answer;
}

/** One JSON object on each line. */
export function ollamaPieces(body: Uint8Array): unknown[] {
  return toText(body)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line): unknown => JSON.parse(line));
}
