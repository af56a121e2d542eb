import type { RenderContext } from '../../core/chat/dialect.ts';
import type { AssistantPart } from '../../core/chat/request.ts';
import type { ChatResult } from '../../core/chat/result.ts';
import type { JsonObject } from '../../core/json.ts';
import { partialObject } from './partial-json.ts';
import {
  callBlock,
  messageId,
  signatureBlock,
  stopReason,
  usageOrEstimate,
  wholeBlock,
  wireUsage,
} from './wire.ts';

function blocks(part: AssistantPart, body: JsonObject): JsonObject[] {
  // Arguments are an object here, also where the answer was cut in the middle of them.
  if (part.type === 'tool-call') return [callBlock(part, partialObject(part.arguments))];
  const signature = part.type === 'text' ? signatureBlock(part.signature, body) : undefined;
  return [wholeBlock(part), signature].filter((block) => block !== undefined);
}

/** UTF-16 units of what the model wrote. */
function outputLetters(content: readonly AssistantPart[]): number {
  let letters = 0;
  for (const part of content) {
    if (part.type === 'tool-call') letters += part.name.length + part.arguments.length;
    else if ('text' in part) letters += part.text.length;
  }
  return letters;
}

/** A complete answer as a message. There is room for one choice. */
export function renderMessage({ id, choices, usage }: ChatResult, renderContext: RenderContext): string {
  const choice = choices[0];
  return JSON.stringify({
    id: messageId(id, renderContext.requestId),
    type: 'message',
    role: 'assistant',
    model: renderContext.model,
    content: (choice?.content ?? []).flatMap((part) => blocks(part, renderContext.body)),
    ...stopReason(
      choice?.finish ?? { unified: 'other' },
      choice?.content.some(({ type }) => type === 'refusal') ?? false,
    ),
    usage: wireUsage(usageOrEstimate(usage, renderContext, outputLetters(choice?.content ?? []))),
  });
}
