import { GatewayError } from '../core/errors.ts';
import { isRecord, parseJsonText } from '../core/json.ts';
import { findJsonExcess, MAX_JSON_DEPTH, MAX_JSON_NAMES } from '../core/json-limits.ts';

/**
 * Parses the arguments of a tool call in the history, for formats that require an object. An empty text gives an empty
 * object.
 * @throws GatewayError `invalid_request` naming `param`
 */
export function argumentsObject(text: string, param: string): Readonly<Record<string, unknown>> {
  if (text.trim() === '') return {};
  if (findJsonExcess(text)) {
    throw new GatewayError(
      'invalid_request',
      `"${param}" is a tool call whose arguments are nested more than ${MAX_JSON_DEPTH} levels deep, or have more than ${MAX_JSON_NAMES} different member names.`,
      { param },
    );
  }
  const value = parseJsonText(text);
  if (isRecord(value)) return value;
  if (value === null) return {};
  throw new GatewayError(
    'invalid_request',
    `"${param}" is a tool call whose arguments are not a JSON object; this target takes nothing else.`,
    { param },
  );
}
