import { GatewayError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';

/** An item that stands for a stored one. Its type may be left out. */
export function isReference(item: JsonObject): item is JsonObject & { readonly id: string } {
  if (typeof item.id !== 'string') return false;
  if (item.type === 'item_reference') return true;
  return (item.type === undefined || item.type === null) && item.role === undefined;
}

export function itemNotFound(id: string): GatewayError {
  return new GatewayError(
    'invalid_request',
    `Item with id '${id.slice(0, 200)}' not found. Items are stored with their response unless "store" is false; send the item itself.`,
    { param: 'input' },
  );
}
