import { appendAll } from '../../core/append-all.ts';
import { checkConversation } from '../../core/chat/check.ts';
import type { ChatRequest, Message, SystemMessage } from '../../core/chat/request.ts';
import { GatewayError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { BlockWriter } from './blocks.ts';

/** A conversation in the form of the Messages API. */
export interface WireConversation {
  readonly system: readonly JsonObject[];
  readonly messages: readonly JsonObject[];
}

interface Turn {
  readonly role: 'user' | 'assistant';
  /** Results of tools, which the API requires before other content of the turn. */
  readonly results: JsonObject[];
  readonly content: JsonObject[];
}

/**
 * Converts the conversation to alternating turns, with leading system messages as the system prompt. Later system
 * messages become part of the user's turn, because the format has no other position for them.
 */
export function wireConversation(request: ChatRequest, warn: Warn): WireConversation {
  checkConversation(request);
  const writer = new BlockWriter(warn);
  const system: JsonObject[] = [];
  const turns: Turn[] = [];
  for (const [index, message] of request.messages.entries()) {
    const path = `messages[${index}]`;
    if (message.role === 'system' || message.role === 'developer') {
      const blocks = systemBlocks(message, path, writer);
      if (turns.length === 0) appendAll(system, blocks);
      else {
        warn({
          kind: 'changed',
          param: path,
          message: 'A system message within the conversation was moved into a user turn.',
        });
        append(turns, 'user', blocks);
      }
    } else
      append(turns, message.role === 'assistant' ? 'assistant' : 'user', turnBlocks(message, path, writer));
  }
  if (turns.length === 0) {
    throw new GatewayError(
      'invalid_request',
      'The conversation has system messages only; the target requires a user message that is not empty.',
      { param: 'messages' },
    );
  }
  trimPrefill(turns);
  return {
    system,
    messages: turns.map(({ role, results, content }) => ({ role, content: [...results, ...content] })),
  };
}

/** Removes white space at the end of the text that the model continues, which the API rejects. */
function trimPrefill(turns: readonly Turn[]): void {
  const last = turns.at(-1);
  const block = last?.role === 'assistant' ? last.content.at(-1) : undefined;
  if (last === undefined || block?.type !== 'text' || typeof block.text !== 'string') return;
  last.content[last.content.length - 1] = { ...block, text: block.text.trimEnd() };
}

function systemBlocks(message: SystemMessage, path: string, writer: BlockWriter): JsonObject[] {
  return message.content.flatMap((part, index) => writer.user(part, `${path}.content[${index}]`));
}

function turnBlocks(message: Message, path: string, writer: BlockWriter): JsonObject[] {
  switch (message.role) {
    case 'system':
    case 'developer':
      return systemBlocks(message, path, writer);
    case 'user':
      return message.content.flatMap((part, index) => writer.user(part, `${path}.content[${index}]`));
    case 'assistant':
      return message.content.flatMap((part, index) => writer.assistant(part, `${path}.content[${index}]`));
    case 'tool':
      return message.content.map((part, index) => writer.toolResult(part, `${path}.content[${index}]`));
  }
}

function append(turns: Turn[], role: Turn['role'], blocks: readonly JsonObject[]): void {
  if (blocks.length === 0) return;
  let turn = turns.at(-1);
  if (turn?.role !== role) {
    turn = { role, results: [], content: [] };
    turns.push(turn);
  }
  for (const block of blocks) (block.type === 'tool_result' ? turn.results : turn.content).push(block);
}
