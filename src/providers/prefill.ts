import type { ChatRequest } from '../core/chat/request.ts';
import type { Warn } from '../core/warning.ts';
import type { ModelFamily } from './model-families.ts';
import type { Target } from './types.ts';

/** Whether the target continues the text of an assistant message at the end of the conversation. */
function continuesText({ reasoning }: ChatRequest, { provider }: Target, family: ModelFamily): boolean {
  const { effort, budgetTokens, enabled } = reasoning ?? {};
  const reasons =
    enabled === true || budgetTokens !== undefined || (effort !== undefined && effort !== 'none');
  // Reasoning would come after the text that it should precede; vendors reject that.
  if (reasons) return false;
  return family.prefill ?? provider.profile.prefill !== undefined;
}

/**
 * Ends the conversation as the target requires. The beginning of a response stays at the end where the target continues it;
 * other targets receive the instruction to continue. A target that rejects a last message of the assistant receives a
 * message of the user after it.
 */
export function continuedRequest(
  request: ChatRequest,
  target: Target,
  family: ModelFamily,
  warn: Warn,
): ChatRequest {
  const { continueWith, ...plain } = request;
  if (continueWith !== undefined) {
    return continuesText(request, target, family) ? request : withUserMessage(plain, continueWith);
  }
  const last = request.messages.at(-1);
  const isRejected =
    last?.role === 'assistant' &&
    family.prefill === false &&
    !last.content.some(({ type }) => type === 'tool-call');
  if (!isRejected) return request;
  warn({
    kind: 'changed',
    param: `messages[${request.messages.length - 1}]`,
    message: 'The target does not continue a message of the assistant; a request to continue was added.',
  });
  return withUserMessage(request, 'Continue.');
}

function withUserMessage(request: ChatRequest, text: string): ChatRequest {
  return {
    ...request,
    messages: [...request.messages, { role: 'user', content: [{ type: 'text', text }] }],
  };
}
