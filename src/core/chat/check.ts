import { appendAll } from '../append-all.ts';
import { GatewayError } from '../errors.ts';
import type {
  AssistantMessage,
  AssistantPart,
  ChatRequest,
  Message,
  ToolMessage,
  UserMessage,
} from './request.ts';

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

/**
 * Merges adjacent messages of one role, for upstreams that require alternating turns. Each run of messages is copied once, so
 * the work is linear in the number of parts.
 */
export function mergeNeighbours(messages: readonly Message[]): Message[] {
  const merged: Message[] = [];
  for (let start = 0; start < messages.length; ) {
    const end = endOfRun(messages, start);
    const first = messages[start];
    if (first) merged.push(end === start + 1 ? first : join(first, messages.slice(start, end)));
    start = end;
  }
  return merged;
}

/**
 * Joins an assistant message with tool calls and the assistant messages after it: formats with a message per result require
 * the results of a message's calls right after it. Each part is copied once.
 * @returns messages with the index of their first in the request
 */
export function joinCallers(
  messages: readonly Message[],
): { readonly message: Message; readonly index: number }[] {
  const joined: { readonly message: Message; readonly index: number }[] = [];
  /** Content of the last message, where it is an assistant message with calls. */
  let calling: AssistantPart[] | undefined;
  for (const [index, message] of messages.entries()) {
    if (message.role !== 'assistant') calling = undefined;
    else if (calling !== undefined) {
      appendAll(calling, message.content);
      continue;
    } else if (message.content.some(({ type }) => type === 'tool-call')) {
      calling = [...message.content];
      joined.push({ message: { ...message, content: calling }, index });
      continue;
    }
    joined.push({ message, index });
  }
  return joined;
}

/** @returns the index behind the messages that can be merged with the one at `start` */
function endOfRun(messages: readonly Message[], start: number): number {
  const role = messages[start]?.role;
  let end = start + 1;
  if (role === 'system' || role === 'developer') return end;
  while (messages[end]?.role === role && end < messages.length) end += 1;
  return end;
}

/** @param run messages of the role of `first`, which is one of them */
function join(first: Message, run: readonly Message[]): Message {
  switch (first.role) {
    case 'user': {
      const content = run.flatMap((message) => (message.role === 'user' ? message.content : []));
      return { ...first, content } satisfies UserMessage;
    }
    case 'assistant': {
      const content = run.flatMap((message) => (message.role === 'assistant' ? message.content : []));
      return { ...first, content } satisfies AssistantMessage;
    }
    case 'tool': {
      const content = run.flatMap((message) => (message.role === 'tool' ? message.content : []));
      return { role: 'tool', content } satisfies ToolMessage;
    }
    default:
      return first;
  }
}
