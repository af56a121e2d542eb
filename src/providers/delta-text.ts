import { decodeLossyUtf8 } from '../core/bytes.ts';
import { asString, isRecord } from '../core/json.ts';

/**
 * The text that one event of a stream adds, in Anthropic's form or in that of OpenAI's responses. Only for counting: an
 * unreadable event counts as empty, and is forwarded nevertheless.
 */
export function deltaText(block: Uint8Array): string | undefined {
  const text = decodeLossyUtf8(block);
  const start = text.indexOf('{');
  if (start < 0) return undefined;
  let event: unknown;
  try {
    event = JSON.parse(text.slice(start));
  } catch {
    return undefined;
  }
  if (!isRecord(event)) return undefined;
  const { delta } = event;
  if (!isRecord(delta)) return asString(delta);
  return asString(delta.text) ?? asString(delta.thinking) ?? asString(delta.partial_json);
}
