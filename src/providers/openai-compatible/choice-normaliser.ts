import { signId } from '../../core/chat/signed-id.ts';
import { asCount, asString, isRecord, type JsonObject } from '../../core/json.ts';
import { callId, callSignature, contentPieces, isForeignPiece, readFinish } from './chat-parts.ts';

/**
 * Makes forwarded choices readable for official SDKs. Vendors with OpenAI's format leave out what the SDKs need (role, index
 * and type of a call), repeat what the SDKs join (id and name of a call), or send texts as lists. Pure, apart from the state
 * of one stream. Everything else of a choice stays as it is.
 */

/** Choices and calls of one stream whose state is kept; a response with more is forwarded as it is. */
const MAX_TRACKED = 1_024;

interface CallState {
  readonly index: number;
  readonly id: string | undefined;
  readonly name: string | undefined;
  /** It is a function whose arguments are empty so far. */
  isEmpty: boolean;
}

interface ChoiceState {
  calls: number;
  /** The call that the last delta belonged to. */
  current: CallState | undefined;
  readonly byIndex: Map<number, CallState>;
  finished: boolean;
}

/** The choices of one stream. */
export class ChoiceNormaliser {
  readonly #choices = new Map<number, ChoiceState>();

  /**
   * @param choices the member of one event
   * @param responseId for the ids of calls that have none
   * @returns the choices to send instead; undefined when they stay as they are
   */
  deltas(choices: unknown, responseId: string | undefined): readonly unknown[] | undefined {
    if (!Array.isArray(choices)) return undefined;
    let changed: unknown[] | undefined;
    for (let at = 0; at < choices.length; at += 1) {
      const choice: unknown = choices[at];
      const next = isRecord(choice) ? this.#delta(choice, responseId) : undefined;
      if (next === undefined) continue;
      changed ??= [...choices];
      changed[at] = next;
    }
    return changed;
  }

  /**
   * The choices that close a stream whose upstream said that it is complete without a finish reason.
   * @returns undefined when every choice has one
   */
  unfinished(): readonly JsonObject[] | undefined {
    const open = [...this.#choices].filter(([, { finished }]) => !finished);
    if (open.length === 0) return undefined;
    return open.map(([index, state]) => {
      const pieces = emptyArguments(state);
      return {
        index,
        delta: pieces.length === 0 ? {} : { tool_calls: pieces },
        finish_reason: state.calls > 0 ? 'tool_calls' : 'stop',
      };
    });
  }

  #delta(choice: JsonObject, responseId: string | undefined): JsonObject | undefined {
    // Legacy completions have a text.
    if (choice.text !== undefined || choice.message !== undefined) return undefined;
    const index = asCount(choice.index) ?? 0;
    let state = this.#choices.get(index);
    const isFirst = state === undefined;
    if (state === undefined) {
      if (this.#choices.size === MAX_TRACKED) return undefined;
      state = { calls: 0, current: undefined, byIndex: new Map(), finished: false };
      this.#choices.set(index, state);
    }
    const given = isRecord(choice.delta) ? choice.delta : undefined;
    let delta: JsonObject = given ?? {};
    const lists = withTexts(delta);
    if (lists !== undefined) delta = lists;
    if (isFirst && !asString(delta.role)) delta = { role: 'assistant', ...omit(delta, 'role') };
    if (Array.isArray(delta.tool_calls)) {
      const calls = this.#calls(delta.tool_calls, state, responseId);
      if (calls !== undefined) delta = { ...delta, tool_calls: calls };
    }
    const finish = finishOf(choice.finish_reason, state.calls > 0);
    if (typeof finish === 'string' && !state.finished) {
      state.finished = true;
      const pieces = state.calls > 0 ? emptyArguments(state) : [];
      if (pieces.length > 0) {
        delta = {
          ...delta,
          tool_calls: [...(Array.isArray(delta.tool_calls) ? delta.tool_calls : []), ...pieces],
        };
      }
    }
    if (delta === given && choice.index === index && finish === choice.finish_reason) return undefined;
    return { ...choice, index, delta, ...(finish === undefined ? {} : { finish_reason: finish }) };
  }

  #calls(
    pieces: readonly unknown[],
    state: ChoiceState,
    responseId: string | undefined,
  ): readonly unknown[] | undefined {
    let changed: unknown[] | undefined;
    for (let at = 0; at < pieces.length; at += 1) {
      const piece: unknown = pieces[at];
      const next = isRecord(piece) ? callDelta(piece, state, responseId) : undefined;
      if (next === undefined) continue;
      changed ??= [...pieces];
      changed[at] = next;
    }
    return changed;
  }
}

/** @returns the choices of a complete response to send instead; undefined when they stay as they are */
export function normalisedMessages(
  choices: unknown,
  responseId: string | undefined,
): readonly unknown[] | undefined {
  if (!Array.isArray(choices)) return undefined;
  let changed: unknown[] | undefined;
  for (let at = 0; at < choices.length; at += 1) {
    const choice: unknown = choices[at];
    if (!isRecord(choice) || !isRecord(choice.message)) continue;
    const given = choice.message;
    let message: JsonObject = withTexts(given) ?? given;
    if (!asString(message.role)) message = { role: 'assistant', ...omit(message, 'role') };
    const calls = Array.isArray(message.tool_calls) ? message.tool_calls : [];
    const whole = calls.map((call: unknown, position) =>
      isRecord(call) ? withArguments(wholeCall(call, callId(responseId, position))) : call,
    );
    if (whole.some((call, position) => call !== calls[position])) message = { ...message, tool_calls: whole };
    const index = asCount(choice.index) ?? at;
    const finish = finishOf(choice.finish_reason, calls.length > 0);
    if (message === given && choice.index === index && finish === choice.finish_reason) continue;
    changed ??= [...choices];
    changed[at] = { ...choice, index, message, ...(finish === undefined ? {} : { finish_reason: finish }) };
  }
  return changed;
}

/** Whether an event has more than a role and empty texts: output that a client would miss. */
export function hasOutput(choices: readonly unknown[]): boolean {
  return choices.some((choice) => {
    if (!isRecord(choice)) return false;
    if (asString(choice.finish_reason) || asString(choice.text)) return true;
    const delta = isRecord(choice.delta) ? choice.delta : choice.message;
    if (!isRecord(delta)) return false;
    for (const name in delta) if (name !== 'role' && !isEmpty(delta[name])) return true;
    return false;
  });
}

function isEmpty(value: unknown): boolean {
  return value === null || value === '' || (Array.isArray(value) && value.length === 0);
}

/** Content as a text, with the reasoning of a list in `reasoning_content`, and other pieces in `content_parts`. */
function withTexts(message: JsonObject): JsonObject | undefined {
  const { content } = message;
  if (!Array.isArray(content)) return undefined;
  let text = '';
  let reasoning = asString(message.reasoning_content) ?? '';
  for (const piece of contentPieces(content)) {
    if (piece.kind === 'text') text += piece.text;
    else reasoning += piece.text;
  }
  const others = content.filter(isForeignPiece);
  return {
    ...message,
    content: text,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(others.length === 0 ? {} : { content_parts: others }),
  };
}

/** Some vendors send an empty reason before the end, and `stop` after calls. */
function finishOf(raw: unknown, hasCalls: boolean): unknown {
  if (raw === '') return null;
  if (typeof raw !== 'string' || !hasCalls) return raw;
  return readFinish(raw, true).unified === 'tool-calls' && raw !== 'function_call' ? 'tool_calls' : raw;
}

function callDelta(
  piece: JsonObject,
  state: ChoiceState,
  responseId: string | undefined,
): JsonObject | undefined {
  const called = isRecord(piece.function) ? piece.function : undefined;
  const custom = isCustom(piece);
  const id = asString(piece.id) || undefined;
  const name = asString(custom ? piece.custom.name : called?.name) || undefined;
  const known = currentCall(state, asCount(piece.index), id, name);
  if (known === undefined) {
    if (state.byIndex.size === MAX_TRACKED) return undefined;
    const index = freeIndex(state, asCount(piece.index));
    const call = {
      index,
      id: id ?? callId(responseId, state.calls),
      name,
      isEmpty: !custom && hasNoText(called),
    };
    state.calls += 1;
    state.byIndex.set(index, call);
    state.current = call;
    const whole = wholeCall(piece, call.id);
    return whole === piece && piece.index === index ? undefined : { ...whole, index };
  }
  state.current = known;
  if (called !== undefined && !hasNoText(called)) known.isEmpty = false;
  const repeatsId = piece.id !== undefined && piece.id !== null && piece.id !== '' && id === known.id;
  const repeatsName = called !== undefined && name !== undefined && name === known.name;
  const object = called !== undefined && isRecord(called.arguments);
  if (!repeatsId && !repeatsName && !object && piece.index === known.index) return undefined;
  const rest = repeatsId ? omit(piece, 'id') : piece;
  if (called === undefined) return { ...rest, index: known.index };
  const kept = repeatsName ? omit(called, 'name') : called;
  return { ...rest, index: known.index, function: object ? withArgumentsText(kept) : kept };
}

function hasNoText(called: JsonObject | undefined): boolean {
  const given = called?.arguments;
  return given === undefined || given === null || (typeof given === 'string' && given.trim() === '');
}

/** The deltas that give empty calls their arguments; clients parse them, and an empty text is not JSON. */
function emptyArguments({ byIndex }: ChoiceState): JsonObject[] {
  return [...byIndex.values()]
    .filter(({ isEmpty }) => isEmpty)
    .map(({ index }) => ({ index, function: { arguments: '{}' } }));
}

/** The call that a delta continues; undefined when it begins another one. */
function currentCall(
  { byIndex, current }: ChoiceState,
  index: number | undefined,
  id: string | undefined,
  name: string | undefined,
): CallState | undefined {
  const atIndex = index === undefined ? current : byIndex.get(index);
  if (atIndex === undefined) return undefined;
  if (id !== undefined && atIndex.id !== id && name !== undefined) {
    // Some vendors number all calls 0: another id with a name begins another call.
    for (const call of byIndex.values()) if (call.id === id) return call;
    return undefined;
  }
  return atIndex;
}

function freeIndex({ byIndex }: ChoiceState, wanted: number | undefined): number {
  return wanted !== undefined && !byIndex.has(wanted) ? wanted : byIndex.size;
}

function isCustom(call: JsonObject): call is JsonObject & { readonly custom: JsonObject } {
  return isRecord(call.custom) && (call.type === 'custom' || !isRecord(call.function));
}

/**
 * A call with type, id and its arguments as a text. The id repeats the signature beside the call, because clients drop
 * members that they do not know.
 * @param id of a call without one
 */
function wholeCall(call: JsonObject, id: string): JsonObject {
  const type = isCustom(call) ? 'custom' : 'function';
  const called = isRecord(call.function) ? withArgumentsText(call.function) : undefined;
  const own = asString(call.id) || id;
  const signature = callSignature(call);
  const signed = signature ? signId(own, signature) : own;
  if (call.type === type && call.id === signed && called === call.function) return call;
  return {
    ...call,
    id: signed,
    type,
    ...(called === undefined ? {} : { function: called }),
  };
}

function withArgumentsText(called: JsonObject): JsonObject {
  const given = called.arguments;
  if (typeof given === 'string') return called;
  return { ...called, arguments: given === undefined || given === null ? '' : JSON.stringify(given) };
}

/** Clients parse the arguments of a call; an empty text is not JSON. */
function withArguments(call: JsonObject): JsonObject {
  const called = isRecord(call.function) ? call.function : undefined;
  if (called === undefined || asString(called.arguments)?.trim() !== '') return call;
  return { ...call, function: { ...called, arguments: '{}' } };
}

function omit(record: JsonObject, name: string): JsonObject {
  if (!(name in record)) return record;
  const { [name]: _, ...rest } = record;
  return rest;
}
