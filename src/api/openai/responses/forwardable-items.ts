import { isRecord, type JsonObject } from '../../../core/json.ts';
import { isPacked, mayHaveForeignSignatures, plainId } from '../../signature.ts';
import { isReference } from './item-reference.ts';

/**
 * Items of this gateway for an upstream with the same API: their ids mean nothing there, and neither does reasoning that it
 * has not encrypted itself.
 */
export function forwardableItems(items: readonly JsonObject[]): JsonObject[] {
  return items.flatMap((item) => {
    if (isReference(item)) return [item];
    const { id, ...rest } = plainItem(item);
    if (item.type !== 'reasoning') return [item.type === 'image_generation_call' ? { id, ...rest } : rest];
    const isOwn = typeof item.encrypted_content === 'string' && !isPacked(item.encrypted_content);
    return isOwn ? [{ ...rest, id }] : [];
  });
}

/** The input of a request without reasoning of other vendors, and with the ids that vendors know. */
export function withoutForeignSignatures(
  text: string,
  { input }: JsonObject,
): { readonly input: readonly unknown[] } | undefined {
  if (!mayHaveForeignSignatures(text) || !Array.isArray(input)) return undefined;
  return {
    input: input.flatMap((item: unknown) => {
      if (!isRecord(item)) return [item];
      return item.type === 'reasoning' && isPacked(item.encrypted_content) ? [] : [plainItem(item)];
    }),
  };
}

function plainItem(item: JsonObject): JsonObject {
  const { id, call_id: callId } = item;
  return {
    ...item,
    ...(typeof id === 'string' && !isReference(item) ? { id: plainId(id) } : {}),
    ...(typeof callId === 'string' ? { call_id: plainId(callId) } : {}),
  };
}
