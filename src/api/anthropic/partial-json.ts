import { GatewayError } from '../../core/errors.ts';
import { isRecord, parseJsonText } from '../../core/json.ts';
import { findJsonExcess, MAX_JSON_DEPTH, MAX_JSON_NAMES } from '../../core/json-limits.ts';

/**
 * The object that JSON text holds, or as much of it as is there where the text was cut: open strings and brackets are
 * closed, and a member without its value is left out. A truncated number keeps its digits.
 * @throws GatewayError `upstream_invalid_response` for text that is nested too deeply
 */
export function partialObject(text: string): Record<string, unknown> {
  if (findJsonExcess(text)) {
    throw new GatewayError(
      'upstream_invalid_response',
      `The model sent tool arguments that are nested more than ${MAX_JSON_DEPTH} levels deep, or have more than ${MAX_JSON_NAMES} different member names.`,
    );
  }
  const whole = parseJsonText(text.trim() === '' ? '{}' : text);
  if (isRecord(whole)) return whole;
  // Everything that is complete is worth keeping, so the longest beginning that can be closed is looked for.
  for (const end of cutPoints(text)) {
    const closed = parseJsonText(close(text.slice(0, end)));
    if (isRecord(closed)) return closed;
  }
  return {};
}

/** Where the text may be cut, the latest first: its end, and before each comma or after each opening outside of text. */
function cutPoints(text: string): number[] {
  const points = [text.length];
  let inText = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (inText) {
      if (character === '\\') at += 1;
      else if (character === '"') inText = false;
    } else if (character === '"') inText = true;
    else if (character === ',') points.push(at);
    else if (character === '{' || character === '[') points.push(at + 1);
  }
  return points
    .reverse()
    .slice(0, MAX_TRIES - 1)
    .concat(text.length)
    .sort((a, b) => b - a);
}

/** A cut needs one or two tries; text that is no JSON at all should not take many. */
const MAX_TRIES = 8;

/** Closes what is open. */
function close(text: string): string {
  const open: string[] = [];
  let inText = false;
  let kept = text;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (inText) {
      if (character === '\\') at += 1;
      else if (character === '"') inText = false;
    } else if (character === '"') inText = true;
    else if (character === '{') open.push('}');
    else if (character === '[') open.push(']');
    else if (character === '}' || character === ']') open.pop();
  }
  // An escape that was cut in the middle can't be completed.
  if (inText) kept = `${kept.replace(/\\(?:u[0-9a-fA-F]{0,3})?$/, '')}"`;
  return kept + open.reverse().join('');
}
