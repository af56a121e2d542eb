import { GatewayError } from '../core/errors.ts';
import { isRecord } from '../core/json.ts';

/**
 * Parses the arguments of a tool call in the history, for formats that require an object. An empty text gives an empty
 * object.
 * @throws GatewayError `invalid_request` naming `param`
 */
export function argumentsObject(text: string, param: string): Readonly<Record<string, unknown>> {
  if (text.trim() === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (isRecord(value)) return value;
  if (value === null) return {};
  throw new GatewayError(
    'invalid_request',
    `"${param}" is a tool call whose arguments are not a JSON object; this target takes nothing else.`,
    { param },
  );
}
