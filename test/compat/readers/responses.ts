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

/** A response of OpenAI's Responses API, or of its SDK. */
export function readResponse(response: unknown): ReadAnswer {
  const answer = emptyAnswer();
  for (const item of listAt(response, 'output')) {
    const type = textAt(item, 'type');
    if (type === 'message') {
      for (const part of listAt(item, 'content')) {
        answer.text += textAt(part, 'text') || textAt(part, 'refusal');
        if (textAt(part, 'refusal') !== '') answer.refused = true;
      }
    } else if (type === 'function_call') {
      answer.toolCalls.push({
        name: textAt(item, 'name'),
        arguments: argumentsOf(valueAt(item, 'arguments')),
      });
    } else if (type === 'reasoning') {
      const shown = listAt(item, 'summary').length > 0 ? listAt(item, 'summary') : listAt(item, 'content');
      for (const part of shown) answer.reasoning += textAt(part, 'text');
    }
  }
  const reason = textAt(response, 'incomplete_details', 'reason');
  if (textAt(response, 'status') === 'incomplete') {
    answer.finish = reason === 'content_filter' ? 'filtered' : 'length';
  } else if (answer.refused) answer.finish = 'filtered';
  else answer.finish = answer.toolCalls.length > 0 ? 'tool-calls' : 'stop';
  const used = at(response, 'usage');
  answer.usage = usageOf({
    input: countAt(used, 'input_tokens'),
    output: countAt(used, 'output_tokens'),
    cached: countAt(used, 'input_tokens_details', 'cached_tokens'),
    reasoning: countAt(used, 'output_tokens_details', 'reasoning_tokens'),
  });
  return answer;
}

/** The last event holds the whole response. */
export function readResponseEvents(events: readonly unknown[]): ReadAnswer {
  const last = events.findLast((event) => /^response\.(completed|incomplete)$/.test(textAt(event, 'type')));
  return readResponse(at(last, 'response'));
}
