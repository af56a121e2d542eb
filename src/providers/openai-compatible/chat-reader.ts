import type { Citation } from '../../core/chat/request.ts';
import type { ChatEvent, EmitChatEvent, StreamedPart } from '../../core/chat/result.ts';
import { asCount, asString, isRecord, type JsonObject, listOf } from '../../core/json.ts';
import { invalidResponse, streamClosed } from '../decode.ts';
import { SseChatReader } from '../sse-chat-reader.ts';
import {
  assertUsable,
  type CallPiece,
  callId,
  contentPieces,
  MAX_SOURCED_CHOICES,
  readAnnotation,
  readCall,
  readDetail,
  readFinish,
  readImage,
  readSources,
} from './chat-parts.ts';
import { logprobEntries } from './chat-response.ts';
import { errorFromObject } from './errors.ts';
import { readUsage } from './usage.ts';

/** Choices of one response. OpenAI allows 128. */
const MAX_CHOICES = 1_024;

/** Citations of one choice that wait for its text. */
const MAX_CITATIONS = 1_024;

type DeltaLogprobs = Extract<ChatEvent, { type: 'delta' }>['logprobs'];

/** State of one choice. */
interface Choice {
  open: StreamedPart['type'] | undefined;
  /** Index of the open reasoning part, for vendors that number them. */
  detail: number | undefined;
  /** Index and id of the open tool call, which distinguish its deltas from those of another. */
  call: { readonly index: number | undefined; readonly id: string | undefined } | undefined;
  calls: number;
  /** Citations that came while no text was open, for the next text. */
  readonly citations: Citation[];
  /** The sources of the whole response were emitted. */
  hasSources: boolean;
  finished: boolean;
}

/** Reads the event stream of OpenAI's chat format with its vendors' deviations. */
export class ChatChunkReader extends SseChatReader {
  readonly #choices = new Map<number, Choice>();
  #id: string | undefined;
  #started = false;
  /** Sources of the whole response, which vendors repeat in each chunk. */
  #sources: readonly Citation[] = [];
  /** Choices that have cited them. */
  #sourced = 0;

  protected override event(json: JsonObject, _name: string | undefined, emit: EmitChatEvent): void {
    if (json.error !== undefined && json.error !== null) {
      throw errorFromObject(json, this.provider.id, this.provider.credential);
    }
    // A first chunk without id and choices contains filter results only; the response's id follows.
    const anonymous = !json.id && listOf(json.choices).length === 0;
    if (!this.#started && !(anonymous && !json.usage)) {
      this.#started = true;
      this.#id = asString(json.id) || undefined;
      const created = asCount(json.created) || undefined;
      const model = asString(json.model) || undefined;
      emit({
        type: 'start',
        ...(this.#id === undefined ? {} : { id: this.#id }),
        ...(created === undefined ? {} : { created }),
        ...(model === undefined ? {} : { model }),
      });
    }
    if (json.citations !== undefined || json.search_results !== undefined) this.#sources = readSources(json);
    for (const value of listOf(json.choices)) if (isRecord(value)) this.#choice(value, emit);
    const usage = readUsage(json.usage);
    if (usage) emit({ type: 'usage', usage });
  }

  #choice(value: JsonObject, emit: EmitChatEvent): void {
    const index = asCount(value.index) ?? 0;
    let choice = this.#choices.get(index);
    if (!choice) {
      if (this.#choices.size === MAX_CHOICES) {
        throw invalidResponse(this.provider, `sent more than ${MAX_CHOICES} choices.`);
      }
      choice = {
        open: undefined,
        detail: undefined,
        call: undefined,
        calls: 0,
        citations: [],
        hasSources: false,
        finished: false,
      };
      this.#choices.set(index, choice);
    }
    if (choice.finished) return;
    const delta = isRecord(value.delta) ? value.delta : isRecord(value.message) ? value.message : {};
    const logprobs = isRecord(value.logprobs) ? logprobEntries(value.logprobs) : undefined;
    this.#reasoning(index, choice, delta, emit);
    for (const { kind, text } of contentPieces(delta.content)) {
      this.#emitText(index, choice, kind === 'text' ? 'text' : 'reasoning', text, emit, logprobs);
    }
    const refusal = asString(delta.refusal);
    if (refusal) this.#emitText(index, choice, 'refusal', refusal, emit, logprobs);
    for (const note of listOf(delta.annotations)) {
      const citation = readAnnotation(note);
      if (citation) this.#cite(index, choice, citation, emit);
    }
    for (const picture of listOf(delta.images)) {
      const part = readImage(picture);
      if (!part) continue;
      this.#begin(index, choice, { type: 'whole', part }, emit);
      this.#close(index, choice, emit);
    }
    const legacy = isRecord(delta.function_call) ? [{ function: delta.function_call }] : [];
    for (const piece of [...listOf(delta.tool_calls), ...legacy]) {
      const call = readCall(piece);
      if (call) this.#call(index, choice, call, emit);
    }
    assertUsable(value, this.provider);
    const finish = asString(value.finish_reason);
    if (finish) {
      this.#close(index, choice, emit);
      choice.finished = true;
      emit({ type: 'finish', choice: index, finish: readFinish(finish, choice.calls > 0) });
    }
  }

  #cite(index: number, choice: Choice, citation: Citation, emit: EmitChatEvent): void {
    if (choice.open === 'text') emit({ type: 'citation', choice: index, citation });
    else if (choice.citations.length < MAX_CITATIONS) choice.citations.push(citation);
  }

  #reasoning(index: number, choice: Choice, delta: JsonObject, emit: EmitChatEvent): void {
    const details = listOf(delta.reasoning_details).flatMap((value) => readDetail(value) ?? []);
    if (details.length === 0) {
      const text = asString(delta.reasoning_content) || asString(delta.reasoning);
      if (text) this.#emitText(index, choice, 'reasoning', text, emit);
      return;
    }
    for (const { text, summary, id, signature, redacted, index: number } of details) {
      if (redacted) {
        const part = { type: 'reasoning', text: '', redacted, ...(id === undefined ? {} : { id }) } as const;
        this.#begin(index, choice, { type: 'whole', part }, emit);
        this.#close(index, choice, emit);
        continue;
      }
      if (choice.open !== 'reasoning' || (number !== undefined && number !== choice.detail)) {
        const part = {
          type: 'reasoning',
          ...(id === undefined ? {} : { id }),
          ...(summary ? { summary } : {}),
        } as const;
        this.#begin(index, choice, part, emit);
        choice.detail = number;
      }
      if (text !== '') emit({ type: 'delta', choice: index, text });
      if (signature) emit({ type: 'signature', choice: index, signature });
    }
  }

  #emitText(
    index: number,
    choice: Choice,
    kind: 'text' | 'reasoning' | 'refusal',
    text: string,
    emit: EmitChatEvent,
    logprobs?: DeltaLogprobs,
  ): void {
    if (choice.open !== kind) this.#begin(index, choice, { type: kind }, emit);
    emit({ type: 'delta', choice: index, text, ...(logprobs === undefined ? {} : { logprobs }) });
  }

  #call(index: number, choice: Choice, piece: CallPiece, emit: EmitChatEvent): void {
    const { id, name, arguments: text, custom, signature } = piece;
    if (isAnother(choice, piece)) {
      if (name === undefined) {
        throw invalidResponse(this.provider, 'sent a tool call without a name.');
      }
      choice.calls += 1;
      const part: StreamedPart = {
        type: 'tool-call',
        id: id ?? callId(this.#id, choice.calls - 1),
        name,
        ...(custom ? { kind: 'custom' } : {}),
        ...(signature === undefined ? {} : { signature }),
      };
      this.#begin(index, choice, part, emit);
      choice.call = { index: piece.index, id };
    } else if (signature) emit({ type: 'signature', choice: index, signature });
    if (text !== '') emit({ type: 'delta', choice: index, text });
  }

  #begin(index: number, choice: Choice, part: StreamedPart, emit: EmitChatEvent): void {
    this.#close(index, choice, emit);
    choice.open = part.type;
    choice.detail = undefined;
    emit({ type: 'part-start', choice: index, part });
    if (part.type !== 'text') return;
    for (const citation of choice.citations.splice(0)) emit({ type: 'citation', choice: index, citation });
  }

  #close(index: number, choice: Choice, emit: EmitChatEvent): void {
    if (choice.open === undefined) return;
    const mayCite = choice.open === 'text' && !choice.hasSources && this.#sourced < MAX_SOURCED_CHOICES;
    if (mayCite && this.#sources.length > 0) {
      choice.hasSources = true;
      this.#sourced += 1;
      for (const citation of this.#sources) emit({ type: 'citation', choice: index, citation });
    }
    choice.open = undefined;
    choice.call = undefined;
    emit({ type: 'part-end', choice: index });
  }

  /** Some vendors end a complete stream without a finish reason. */
  protected override done(emit: EmitChatEvent): void {
    for (const [index, choice] of this.#choices) {
      if (choice.finished) continue;
      this.#close(index, choice, emit);
      choice.finished = true;
      emit({ type: 'finish', choice: index, finish: readFinish('stop', choice.calls > 0) });
    }
    this.bodyEnded(emit);
  }

  protected override keepAlive(emit: EmitChatEvent): void {
    if (this.#started) emit({ type: 'ping' });
  }

  /** Some vendors send no `[DONE]`. */
  protected override bodyEnded(emit: EmitChatEvent): void {
    const choices = [...this.#choices.values()];
    if (choices.length === 0 || choices.some(({ finished }) => !finished)) {
      throw streamClosed(this.provider, 'no finish reason');
    }
    this.ended = true;
    emit({ type: 'end' });
  }
}

/**
 * Whether a delta begins another call. Some vendors do not number calls or always send 0, so a new id with a name also
 * counts; deltas of one call may repeat its id.
 */
function isAnother({ open, call }: Choice, piece: CallPiece): boolean {
  if (open !== 'tool-call' || !call) return true;
  if (piece.index !== undefined && call.index !== undefined && piece.index !== call.index) return true;
  if (piece.id !== undefined && call.id !== undefined) return piece.id !== call.id;
  return piece.id !== undefined && piece.name !== undefined;
}
