import type { ChatEvent } from '../core/chat/result.ts';
import { isRecord, parseJsonText } from '../core/json.ts';
import { writeChanges } from '../core/json-changes.ts';
import type { Frame } from '../core/stream/frame.ts';
import { type MapResponseText, mapResponseTexts } from '../guardrails/response-texts.ts';

const decoder = new TextDecoder();
const encoder = new TextEncoder();
/** Opens a comment of an event stream. */
const COLON = 58;
const DATA = /^data: ?(?=\{)/;
/** Pieces of what tools of the provider do: their whole text follows in another event. */
const PIECE_TYPE = /(?<!audio)\.delta$/;

/**
 * Checks what a frame says in addition to its canonical events: members that no dialect of Weir reads, and events of tools that the
 * provider runs.
 * @returns the same frame where nothing changed; undefined where it is left out, because it is a piece of a text that comes whole
 */
export function checkedFrame(frame: Frame, map: MapResponseText): Frame | undefined {
  const { bytes, events } = frame;
  if (!bytes || bytes.length === 0 || bytes[0] === COLON) return frame;
  const covered = new Set(events.flatMap(textsOf));
  let isPiece = false;
  let isChanged = false;
  const lines = decoder.decode(bytes).split('\n');
  const checked = lines.map((line) => {
    const head = DATA.exec(line)?.[0];
    if (head === undefined) return line;
    const json = line.slice(head.length);
    const value = parseJsonText(json);
    if (!isRecord(value)) return line;
    if (events.length === 0 && typeof value.delta === 'string' && PIECE_TYPE.test(String(value.type))) {
      isPiece = true;
    }
    const mapped = mapResponseTexts(value, covered, map);
    if (mapped === value) return line;
    isChanged = true;
    return head + writeChanges(json, value, mapped);
  });
  if (isPiece) return undefined;
  return isChanged ? { ...frame, bytes: encoder.encode(checked.join('\n')) } : frame;
}

/** The texts of an event that are checked as such. */
function textsOf(event: ChatEvent): readonly string[] {
  return event.type === 'delta' ? [event.text] : [];
}
