import { isRecord, type JsonObject } from '../../../core/json.ts';
import { mayHaveForeignSignatures, plainId } from '../../signature.ts';

/** The messages of a request with the ids that vendors know. */
export function withoutForeignSignatures(
  text: string,
  { messages }: JsonObject,
): { readonly messages: readonly unknown[] } | undefined {
  if (!mayHaveForeignSignatures(text) || !Array.isArray(messages)) return undefined;
  return { messages: messages.map((message: unknown) => (isRecord(message) ? plain(message) : message)) };
}

function plain(message: JsonObject): JsonObject {
  if (typeof message.tool_call_id === 'string') {
    return { ...message, tool_call_id: plainId(message.tool_call_id) };
  }
  if (!Array.isArray(message.tool_calls)) return message;
  return { ...message, tool_calls: message.tool_calls.map(plainCall) };
}

/** Strict vendors reject the member that repeats the signature too. */
function plainCall(call: unknown): unknown {
  if (!isRecord(call) || typeof call.id !== 'string') return call;
  const id = plainId(call.id);
  if (id === call.id) return call;
  const { extra_content: _, ...rest } = call;
  return { ...rest, id };
}
