import { isRecord, type JsonObject } from '../../core/json.ts';
import { isPacked, mayHaveForeignSignatures, plainId } from '../signature.ts';

/** The messages of a request without thinking of other vendors, and with the ids that vendors know. */
export function withoutForeignSignatures(
  text: string,
  { messages }: JsonObject,
): { readonly messages: readonly unknown[] } | undefined {
  if (!mayHaveForeignSignatures(text) || !Array.isArray(messages)) return undefined;
  return {
    messages: messages.flatMap((message: unknown) => (isRecord(message) ? plainMessage(message) : [message])),
  };
}

function plainMessage(message: JsonObject): JsonObject[] {
  const { content } = message;
  if (!Array.isArray(content)) return [message];
  const blocks = content.flatMap((block: unknown) => (isRecord(block) ? plainBlock(block) : [block]));
  // A message of thinking alone has nothing left.
  return blocks.length === 0 && content.length > 0 ? [] : [{ ...message, content: blocks }];
}

function plainBlock(block: JsonObject): JsonObject[] {
  switch (block.type) {
    case 'thinking':
      return isPacked(block.signature) ? [] : [block];
    case 'redacted_thinking':
      return isPacked(block.data) ? [] : [block];
    case 'tool_use':
      return [typeof block.id === 'string' ? { ...block, id: plainId(block.id) } : block];
    case 'tool_result':
      return [
        typeof block.tool_use_id === 'string' ? { ...block, tool_use_id: plainId(block.tool_use_id) } : block,
      ];
    default:
      return [block];
  }
}
