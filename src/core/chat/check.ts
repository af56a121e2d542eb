import { GatewayError } from '../errors.ts';
import type { AssistantMessage, ChatRequest, Message, ToolMessage, UserMessage } from './request.ts';

/**
 * Rejects conversations that no upstream accepts: a tool result without its call, or two results of one call.
 * @throws GatewayError `invalid_request`
 */
export function checkConversation(request: ChatRequest): void {
  const called = new Set<string>();
  const answered = new Set<string>();
  for (const [index, message] of request.messages.entries()) {
    if (message.role === 'assistant') {
      for (const part of message.content) {
        if (part.type !== 'tool-call') continue;
        called.add(part.id);
        // Some engines restart the numbering of calls in each turn.
        answered.delete(part.id);
      }
    } else if (message.role === 'tool') {
      for (const { callId } of message.content) {
        const param = `messages[${index}]`;
        if (!called.has(callId)) {
          throw new GatewayError(
            'invalid_request',
            `"${param}" is the result of the tool call "${callId.slice(0, 100)}", which no assistant message before it contains.`,
            { param },
          );
        }
        if (answered.has(callId)) {
          throw new GatewayError(
            'invalid_request',
            `"${param}" is a second result of the tool call "${callId.slice(0, 100)}".`,
            { param },
          );
        }
        answered.add(callId);
      }
    }
  }
}

/** Merges adjacent messages of one role, for upstreams that require alternating turns. */
export function mergeNeighbours(messages: readonly Message[]): Message[] {
  const merged: Message[] = [];
  for (const message of messages) {
    const last = merged.at(-1);
    const joined = last && join(last, message);
    if (joined) merged[merged.length - 1] = joined;
    else merged.push(message);
  }
  return merged;
}

function join(a: Message, b: Message): Message | undefined {
  if (a.role === 'user' && b.role === 'user') {
    return { ...a, content: [...a.content, ...b.content] } satisfies UserMessage;
  }
  if (a.role === 'assistant' && b.role === 'assistant') {
    return { ...a, content: [...a.content, ...b.content] } satisfies AssistantMessage;
  }
  if (a.role === 'tool' && b.role === 'tool') {
    return { role: 'tool', content: [...a.content, ...b.content] } satisfies ToolMessage;
  }
  return undefined;
}
