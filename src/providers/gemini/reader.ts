import type { AssistantPart } from '../../core/chat/request.ts';
import type { EmitChatEvent, FinishReason, StreamedPart } from '../../core/chat/result.ts';
import { asCount, asString, isRecord, type JsonObject, listOf } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';
import { invalidResponse, streamClosed } from '../decode.ts';
import { SseChatReader } from '../sse-chat-reader.ts';
import { CitationOffsets, readCitations } from './citations.ts';
import { errorFromGeminiObject } from './errors.ts';
import { PartialCall } from './partial-call.ts';
import { assertUsable, blockReason, readFinish, readGeminiUsage, readLogprobs, readPart } from './parts.ts';

/** Candidates of one response. Gemini allows 8. */
const MAX_CANDIDATES = 1_024;

interface Candidate {
  open: 'text' | 'reasoning' | undefined;
  calls: number;
  /** A call whose arguments come in pieces. */
  partial: PartialCall | undefined;
  /** Content has been emitted. */
  filled: boolean;
  /** The open text so far, which citations refer to. */
  text: string;
  /** Citations of the open text so far: chunks repeat them. */
  readonly cited: Set<string>;
  /** Emitted at the end only: with code execution, content may follow a first finish reason. */
  finish: FinishReason | undefined;
}

function newCandidate(): Candidate {
  return {
    open: undefined,
    calls: 0,
    partial: undefined,
    filled: false,
    text: '',
    cited: new Set(),
    finish: undefined,
  };
}

/** Reads a stream of GenerateContentResponse objects. Only the end of the body ends it. */
export class GeminiEventReader extends SseChatReader {
  readonly #candidates = new Map<number, Candidate>();
  #id: string | undefined;
  #started = false;
  #usage: Usage | undefined;

  protected override bodyEnded(emit: EmitChatEvent): void {
    const candidates = [...this.#candidates.values()];
    if (candidates.length === 0 || candidates.some(({ finish }) => !finish)) {
      throw streamClosed(this.provider, 'no finish reason');
    }
    for (const [index, candidate] of this.#candidates) {
      this.#endPartial(candidate, index, emit);
      this.#close(candidate, index, emit);
      if (candidate.finish) emit({ type: 'finish', choice: index, finish: candidate.finish });
    }
    if (this.#usage) emit({ type: 'usage', usage: this.#usage });
    emit({ type: 'end' });
  }

  protected override event(json: JsonObject, _name: string | undefined, emit: EmitChatEvent): void {
    if (isRecord(json.error)) throw errorFromGeminiObject(json.error, this.provider);
    this.#chunk(json, emit);
  }

  #chunk(json: JsonObject, emit: EmitChatEvent): void {
    if (!this.#started) {
      this.#started = true;
      this.#id = asString(json.responseId);
      const model = asString(json.modelVersion);
      emit({
        type: 'start',
        ...(this.#id === undefined ? {} : { id: this.#id }),
        ...(model === undefined ? {} : { model }),
      });
    }
    // Counts are cumulative, but some chunks lack some of them.
    const usage = readGeminiUsage(json.usageMetadata);
    if (usage) this.#usage = { ...this.#usage, ...usage };
    const blocked = blockReason(json);
    if (blocked !== undefined && this.#candidates.size === 0) {
      const finish = { unified: 'content-filter', raw: blocked } as const;
      this.#candidates.set(0, { ...newCandidate(), finish });
    }
    listOf(json.candidates).forEach((value, position) => {
      if (isRecord(value)) this.#candidate(value, asCount(value.index) ?? position, emit);
    });
  }

  #candidate(value: JsonObject, index: number, emit: EmitChatEvent): void {
    let candidate = this.#candidates.get(index);
    if (!candidate) {
      if (this.#candidates.size === MAX_CANDIDATES) {
        throw invalidResponse(this.provider, `sent more than ${MAX_CANDIDATES} candidates.`);
      }
      candidate = newCandidate();
      this.#candidates.set(index, candidate);
    }
    const parts = isRecord(value.content) ? listOf(value.content.parts).filter(isRecord) : [];
    let logprobs = readLogprobs(value);
    for (const part of parts) {
      if (this.#collects(candidate, index, part, emit)) continue;
      const read = readPart(part, this.#id, candidate.calls);
      if (read.type !== 'text' && read.type !== 'reasoning') {
        this.#whole(candidate, index, read, emit);
        continue;
      }
      if (candidate.open !== read.type) this.#begin(candidate, index, read.type, emit);
      if (read.type === 'text') candidate.text += read.text;
      if (read.text !== '') {
        const probable = logprobs === undefined ? {} : { logprobs };
        emit({ type: 'delta', choice: index, text: read.text, ...probable });
        logprobs = undefined;
      }
      if (read.signature) emit({ type: 'signature', choice: index, signature: read.signature });
    }
    if (candidate.open === 'text') this.#cite(candidate, index, value, emit);
    candidate.filled ||= parts.length > 0;
    assertUsable(value, candidate.filled, this.provider);
    if (typeof value.finishReason === 'string') {
      candidate.finish = readFinish(
        value.finishReason,
        candidate.calls > 0 || candidate.partial !== undefined,
      );
    }
  }

  /** @returns whether the part is a piece of a call, which is emitted when it is whole */
  #collects(candidate: Candidate, index: number, part: JsonObject, emit: EmitChatEvent): boolean {
    const call = isRecord(part.functionCall) ? part.functionCall : undefined;
    const continues = candidate.partial !== undefined && call !== undefined && !call.name;
    if (!continues) this.#endPartial(candidate, index, emit);
    if (call === undefined || !(continues || PartialCall.isPartial(call))) return false;
    candidate.partial ??= new PartialCall(this.provider);
    candidate.partial.add(part, call);
    if (call.willContinue !== true) this.#endPartial(candidate, index, emit);
    return true;
  }

  #endPartial(candidate: Candidate, index: number, emit: EmitChatEvent): void {
    const { partial } = candidate;
    if (partial === undefined) return;
    candidate.partial = undefined;
    this.#whole(candidate, index, readPart(partial.toPart(), this.#id, candidate.calls), emit);
  }

  #cite(candidate: Candidate, index: number, value: JsonObject, emit: EmitChatEvent): void {
    const offsets = new CitationOffsets(candidate.text);
    for (const found of readCitations(value)) {
      const citation = offsets.locate(found);
      const key = JSON.stringify([citation.url, citation.start, citation.end]);
      if (candidate.cited.has(key)) continue;
      candidate.cited.add(key);
      emit({ type: 'citation', choice: index, citation });
    }
  }

  #begin(candidate: Candidate, index: number, type: 'text' | 'reasoning', emit: EmitChatEvent): void {
    this.#close(candidate, index, emit);
    candidate.open = type;
    candidate.text = '';
    candidate.cited.clear();
    emit({ type: 'part-start', choice: index, part: { type } });
  }

  #close(candidate: Candidate, index: number, emit: EmitChatEvent): void {
    if (candidate.open === undefined) return;
    candidate.open = undefined;
    emit({ type: 'part-end', choice: index });
  }

  /** Emits a part that has no deltas: a tool call or media. */
  #whole(candidate: Candidate, index: number, part: AssistantPart, emit: EmitChatEvent): void {
    this.#close(candidate, index, emit);
    if (part.type !== 'tool-call') {
      emit({ type: 'part-start', choice: index, part: { type: 'whole', part } });
    } else {
      candidate.calls += 1;
      const { arguments: text, ...call } = part;
      const opened: StreamedPart = call;
      emit({ type: 'part-start', choice: index, part: opened });
      emit({ type: 'delta', choice: index, text });
    }
    emit({ type: 'part-end', choice: index });
  }
}
