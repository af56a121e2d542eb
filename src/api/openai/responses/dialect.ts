import type { AnswerAbout, ClientDialect } from '../../../core/chat/dialect.ts';
import type { ChatResult } from '../../../core/chat/result.ts';
import { readInput } from './input.ts';
import { type Item, ItemIds, outputItems, wireStatus, wireUsage } from './items.ts';
import { readParameters } from './parameters.ts';
import { responseId, responseObject } from './response-object.ts';
import { ResponseEventWriter } from './stream-writer.ts';

function complete(result: ChatResult, about: AnswerAbout): Item {
  const choice = result.choices[0];
  const id = responseId(result.id, about.requestId);
  return {
    ...responseObject(id, result.created ?? about.createdSeconds, about),
    ...wireStatus(choice?.finish ?? { unified: 'other' }),
    output: outputItems(choice?.content ?? [], new ItemIds(about.requestId)),
    usage: wireUsage(result.usage),
  };
}

/**
 * OpenAI's Responses.
 * @param onResponse told of each complete response object, before the client has it
 */
export function responsesDialect(onResponse: (response: Item) => void = () => undefined): ClientDialect {
  return {
    name: 'openai-responses',
    toChat: (body) => ({ messages: readInput(body), ...readParameters(body) }),
    renderResult(result, about) {
      const response = complete(result, about);
      onResponse(response);
      return JSON.stringify(response);
    },
    streamWriter: (about) => new ResponseEventWriter(about, onResponse),
  };
}
