import { decodeUtf8 } from '../core/bytes.ts';
import { GatewayError } from '../core/errors.ts';
import { isRecord } from '../core/json.ts';
import type { BufferedResponse, Provider } from './types.ts';

/** An answer that is not what its format promises. */
export function invalidResponse(provider: Pick<Provider, 'id'>, what: string): GatewayError {
  return new GatewayError('upstream_invalid_response', `Provider "${provider.id}" ${what}`, {
    provider: provider.id,
  });
}

/** The JSON object of an upstream's body. @throws GatewayError `upstream_invalid_response` */
export function decodeJson(
  response: BufferedResponse,
  provider: Pick<Provider, 'id'>,
): { readonly text: string; readonly json: Record<string, unknown> } {
  let text: string;
  try {
    text = decodeUtf8(response.body);
  } catch {
    throw invalidResponse(provider, 'answered with bytes that are not UTF-8.');
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    const kind =
      text.trim() === '' ? 'an empty body' : /^\s*</.test(text) ? 'an HTML page' : 'a body that is not JSON';
    throw invalidResponse(provider, `answered HTTP ${response.status} with ${kind}. Check its base_url.`);
  }
  if (!isRecord(json)) throw invalidResponse(provider, 'answered with JSON that is not an object.');
  return { text, json };
}
