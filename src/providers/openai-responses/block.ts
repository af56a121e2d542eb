import { decodeUtf8 } from '../../core/bytes.ts';
import { isRecord } from '../../core/json.ts';
import { invalidResponse } from '../decode.ts';
import type { Provider } from '../types.ts';

export function decodeBlock(block: Uint8Array, provider: Pick<Provider, 'id'>): string {
  try {
    return decodeUtf8(block);
  } catch {
    throw invalidResponse(provider, 'sent bytes that are not UTF-8.');
  }
}

/** The object of an event's data. */
export function decodeData(data: string, provider: Pick<Provider, 'id'>): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    throw invalidResponse(provider, `sent an event that is not JSON: ${excerpt(data)}`);
  }
  if (!isRecord(json))
    throw invalidResponse(provider, `sent an event that is not an object: ${excerpt(data)}`);
  return json;
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
