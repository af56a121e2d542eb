import { isRecord } from '../../core/json.ts';
import { invalidAnswer } from '../decode.ts';
import type { Provider } from '../types.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

export function decodeBlock(block: Uint8Array, provider: Pick<Provider, 'id'>): string {
  try {
    return utf8.decode(block);
  } catch {
    throw invalidAnswer(provider, 'sent bytes that are not UTF-8.');
  }
}

/** The object of an event's data. */
export function decodeData(data: string, provider: Pick<Provider, 'id'>): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    throw invalidAnswer(provider, `sent an event that is not JSON: ${excerpt(data)}`);
  }
  if (!isRecord(json)) throw invalidAnswer(provider, `sent an event that is not an object: ${excerpt(data)}`);
  return json;
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}

/** What was left when the stream ended: vendors forget the empty line behind the last event. */
export function lastBlock(rest: Uint8Array): Uint8Array | undefined {
  if (rest.length === 0) return undefined;
  return rest[rest.length - 1] === 10 ? rest.subarray(0, -1) : rest;
}
