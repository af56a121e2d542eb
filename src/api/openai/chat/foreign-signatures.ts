import { isRecord, type JsonObject } from '../../../core/json.ts';
import { mayHaveForeignSignatures, plainId, readSignedId } from '../../signature.ts';
import { signatureExtras } from './wire.ts';

/**
 * The messages of a request with the ids that vendors know.
 * @param takesCallSignatures whether the target accepts the signature of a call in `extra_content`; strict vendors reject it
 */
export function withoutForeignSignatures(
  text: string,
  { messages }: JsonObject,
  takesCallSignatures: boolean,
): { readonly messages: readonly unknown[] } | undefined {
  if (!mayHaveForeignSignatures(text) || !Array.isArray(messages)) return undefined;
  return {
    messages: messages.map((message: unknown) =>
      isRecord(message) ? plain(message, takesCallSignatures) : message,
    ),
  };
}

function plain(message: JsonObject, takesCallSignatures: boolean): JsonObject {
  if (typeof message.tool_call_id === 'string') {
    return { ...message, tool_call_id: plainId(message.tool_call_id) };
  }
  if (!Array.isArray(message.tool_calls)) return message;
  const calls = message.tool_calls.map((call: unknown) => plainCall(call, takesCallSignatures));
  return { ...message, tool_calls: calls };
}

function plainCall(call: unknown, takesCallSignatures: boolean): unknown {
  if (!isRecord(call) || typeof call.id !== 'string') return call;
  const { id, signature } = readSignedId(call.id);
  if (id === call.id) return call;
  const { extra_content: _, ...rest } = call;
  return { ...rest, id, ...(takesCallSignatures ? signatureExtras(signature) : {}) };
}
