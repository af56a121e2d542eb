import type { ResponseView } from '../../../core/chat/response-view.ts';
import { asString, isRecord, type JsonObject, records } from '../../../core/json.ts';

/** Reads a chat completion, or a legacy completion, whose choices hold `text` instead of a message. */
export function chatResponseView({ choices }: JsonObject): ResponseView | undefined {
  const [choice] = records(choices);
  if (!choice) return undefined;
  const message = isRecord(choice.message) ? choice.message : { content: choice.text };
  const { content } = message;
  const logprobs = isRecord(choice.logprobs) ? records(choice.logprobs.content) : [];
  return {
    text:
      asString(content) ??
      records(content)
        .map(({ text }) => asString(text) ?? '')
        .join(''),
    refused: Boolean(message.refusal) || choice.finish_reason === 'content_filter',
    callsTools: Array.isArray(message.tool_calls) && message.tool_calls.length > 0,
    logprobs: logprobs.flatMap(({ logprob }) => (typeof logprob === 'number' ? [logprob] : [])),
  };
}

/** A response without log probabilities, for clients that did not request them. */
export function withoutLogprobs(response: JsonObject): JsonObject {
  if (!Array.isArray(response.choices)) return response;
  const choices = response.choices.map((choice: unknown) =>
    isRecord(choice) ? { ...choice, logprobs: null } : choice,
  );
  return { ...response, choices };
}
