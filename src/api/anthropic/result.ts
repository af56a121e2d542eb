import type { RenderContext } from '../../core/chat/dialect.ts';
import type { AssistantPart } from '../../core/chat/request.ts';
import type { ChatResult } from '../../core/chat/result.ts';
import type { JsonObject } from '../../core/json.ts';
import { partialObject } from './partial-json.ts';
import { messageId, stopReason, wholeBlock, wireUsage } from './wire.ts';

function block(part: AssistantPart): JsonObject | undefined {
  if (part.type !== 'tool-call') return wholeBlock(part);
  // Arguments are an object here, also where the answer was cut in the middle of them.
  return { type: 'tool_use', id: part.id, name: part.name, input: partialObject(part.arguments) };
}

/** A complete answer as a message. There is room for one choice. */
export function renderMessage({ id, choices, usage }: ChatResult, renderContext: RenderContext): string {
  const choice = choices[0];
  return JSON.stringify({
    id: messageId(id, renderContext.requestId),
    type: 'message',
    role: 'assistant',
    model: renderContext.model,
    content: (choice?.content ?? []).flatMap((part) => block(part) ?? []),
    ...stopReason(
      choice?.finish ?? { unified: 'other' },
      choice?.content.some(({ type }) => type === 'refusal') ?? false,
    ),
    usage: wireUsage(usage),
  });
}
