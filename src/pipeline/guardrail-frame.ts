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

/** What surrounds the text of a delta in the bytes of its frame. */
interface FrameForm {
  readonly head: Uint8Array;
  readonly tail: Uint8Array;
}

const QUOTE = 34;
const BACKSLASH = 92;

/** Checks the frames of one stream whose canonical events stay. */
export class FrameChecker {
  /** Of the last frame with one delta and nothing to change: most frames that follow differ from it in the text alone. */
  #form: FrameForm | undefined;

  constructor(private readonly map: MapResponseText) {}

  /**
   * Checks what a frame says in addition to its canonical events: members that no dialect of Weir reads, and events of tools
   * that the provider runs.
   * @returns the same frame where nothing changed; undefined where it is left out, because it is a piece of a text that comes whole
   */
  check(frame: Frame): Frame | undefined {
    const { bytes, events } = frame;
    if (!bytes || bytes.length === 0 || bytes[0] === COLON) return frame;
    const [event] = events;
    const delta = events.length === 1 && event?.type === 'delta' && !event.logprobs ? event.text : undefined;
    if (delta !== undefined && this.#form && hasForm(bytes, this.#form)) return frame;
    const checked = checkedFrame(frame, bytes, this.map);
    if (checked === frame && delta !== undefined) this.#form = formOf(bytes, delta);
    return checked;
  }
}

/** Whether bytes have a form, and a text without quotes in it. */
function hasForm(bytes: Uint8Array, { head, tail }: FrameForm): boolean {
  const end = bytes.length - tail.length;
  if (end < head.length || !startsWith(bytes, head, 0) || !startsWith(bytes, tail, end)) return false;
  const quote = bytes.indexOf(QUOTE, head.length);
  return quote < 0 || quote >= end;
}

function startsWith(bytes: Uint8Array, part: Uint8Array, from: number): boolean {
  for (let index = 0; index < part.length; index += 1) {
    if (bytes[from + index] !== part[index]) return false;
  }
  return true;
}

/** @returns what surrounds a text; undefined where it is not clear which of the bytes are the text */
function formOf(bytes: Uint8Array, text: string): FrameForm | undefined {
  const written = JSON.stringify(text);
  if (text.length < 2 || written.includes('\\')) return undefined;
  const all = decoder.decode(bytes);
  const start = all.indexOf(written);
  if (start < 0 || all.indexOf(written, start + 1) >= 0) return undefined;
  const head = encoder.encode(all.slice(0, start + 1));
  const tail = encoder.encode(all.slice(start + written.length - 1));
  // An escape before the closing quote would make it a part of the text.
  return head[head.length - 2] === BACKSLASH ? undefined : { head, tail };
}

function checkedFrame(frame: Frame, bytes: Uint8Array, map: MapResponseText): Frame | undefined {
  const { events } = frame;
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
