import { decodeUtf8 } from '../core/bytes.ts';
import { GatewayError } from '../core/errors.ts';
import { isRecord, type JsonObject } from '../core/json.ts';
import { findJsonExcess, MAX_JSON_DEPTH, MAX_JSON_NAMES } from '../core/json-limits.ts';
import type { BufferedResponse, Provider } from './types.ts';

/**
 * The error for a response that does not conform to its format.
 * @param what predicate with a period, such as `sent bytes that are not UTF-8.`
 */
export function invalidResponse(provider: Pick<Provider, 'id'>, what: string): GatewayError {
  return new GatewayError('upstream_invalid_response', `Provider "${provider.id}" ${what}`, {
    provider: provider.id,
  });
}

/** Decodes the body of a response as a JSON object. @throws GatewayError `upstream_invalid_response` */
export function decodeJson(
  response: BufferedResponse,
  provider: Pick<Provider, 'id'>,
): { readonly text: string; readonly json: Record<string, unknown> } {
  let text: string;
  try {
    text = decodeUtf8(response.body);
  } catch {
    throw invalidResponse(provider, 'sent a response that is not UTF-8.');
  }
  assertUpstreamLimits(text, provider);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    const kind =
      text.trim() === '' ? 'an empty body' : /^\s*</.test(text) ? 'an HTML page' : 'a body that is not JSON';
    throw invalidResponse(
      provider,
      `responded with HTTP ${response.status} and ${kind}. Check its base_url.`,
    );
  }
  if (!isRecord(json)) throw invalidResponse(provider, 'responded with JSON that is not an object.');
  return { text, json };
}

/** UTF-16 units. Each level takes one, so recursion into a shorter text is safe without a check. */
const SHORT = 2_048;

/**
 * Checks the structure of a JSON text before it is parsed.
 * @throws GatewayError `upstream_invalid_response` above a limit
 */
export function assertUpstreamLimits(text: string, provider: Pick<Provider, 'id'>): void {
  if (text.length <= SHORT) return;
  const excess = findJsonExcess(text);
  if (!excess) return;
  const what =
    excess.limit === 'depth'
      ? `JSON that is nested more than ${MAX_JSON_DEPTH} levels deep`
      : `JSON with more than ${MAX_JSON_NAMES} different member names`;
  throw invalidResponse(provider, `sent ${what}.`);
}

/** Decodes a block of an event stream as text. @throws GatewayError `upstream_invalid_response` when it is not UTF-8 */
export function decodeEventText(block: Uint8Array, provider: Pick<Provider, 'id'>): string {
  try {
    return decodeUtf8(block);
  } catch {
    throw invalidResponse(provider, 'sent bytes that are not UTF-8.');
  }
}

/** Parses an event's data as a JSON object. @throws GatewayError `upstream_invalid_response` for anything else */
export function decodeEvent(data: string, provider: Pick<Provider, 'id'>): JsonObject {
  assertUpstreamLimits(data, provider);
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    throw invalidResponse(provider, `sent an event that is not JSON: ${excerpt(data)}`);
  }
  if (!isRecord(json)) {
    throw invalidResponse(provider, `sent an event that is not an object: ${excerpt(data)}`);
  }
  return json;
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}

/**
 * The failure of a stream that ended early.
 * @param missing the part of the format that did not arrive, such as `no finish reason`
 */
export function streamClosed(provider: Pick<Provider, 'id'>, missing?: string): GatewayError {
  const detail = missing === undefined ? '' : ` (${missing})`;
  return new GatewayError(
    'upstream_closed',
    `Provider "${provider.id}" ended the stream before the response was complete${detail}.`,
    { provider: provider.id },
  );
}
