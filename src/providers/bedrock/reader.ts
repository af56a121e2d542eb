import type { Origin } from '../../core/chat/request.ts';
import type { ChatEventReader, EmitChatEvent, StreamedPart } from '../../core/chat/result.ts';
import { asCount, asString, isRecord, type JsonObject } from '../../core/json.ts';
import { assertUpstreamLimits, decodeEventText, invalidResponse, streamClosed } from '../decode.ts';
import type { Provider } from '../types.ts';
import { readConverseCitation } from './citations.ts';
import { errorFromException } from './errors.ts';
import { EventStreamFramer, type EventStreamMessage, MalformedEventStreamError } from './event-stream.ts';
import { JSON_TOOL } from './parameters.ts';
import { assertUsable, readConverseUsage, readStop } from './response.ts';

/** Reads the binary event stream of ConverseStream. */
export class ConverseEventReader implements ChatEventReader {
  readonly #framer = new EventStreamFramer();
  #open: { readonly kind: StreamedPart['type']; readonly index: number } | undefined;
  #started = false;
  #stopped = false;
  #ended = false;

  constructor(
    private readonly provider: Pick<Provider, 'id' | 'credential'>,
    private readonly origin: Origin,
    /** The response was forced through a tool. */
    private readonly throughTool: boolean,
  ) {}

  push(bytes: Uint8Array, emit: EmitChatEvent): void {
    try {
      this.#framer.push(bytes, (message) => this.#message(message, emit));
    } catch (error) {
      if (!(error instanceof MalformedEventStreamError)) throw error;
      throw invalidResponse(this.provider, `sent ${error.message}.`);
    }
  }

  end(emit: EmitChatEvent): void {
    if (this.#ended) return;
    // Usage comes after the response; without it the response is complete nevertheless.
    if (this.#stopped && !this.#framer.incomplete) this.#finish(emit);
    else {
      throw streamClosed(this.provider);
    }
  }

  #finish(emit: EmitChatEvent): void {
    this.#ended = true;
    emit({ type: 'end' });
  }

  #message({ kind, type, body, errorMessage }: EventStreamMessage, emit: EmitChatEvent): void {
    if (this.#ended) return;
    const event = body.length === 0 ? {} : this.#json(body);
    if (kind !== 'event') {
      throw errorFromException(type, asString(event.message) ?? errorMessage, this.provider);
    }
    this.#event(type, event, emit);
  }

  #json(body: Uint8Array): JsonObject {
    let json: unknown;
    const text = decodeEventText(body, this.provider);
    assertUpstreamLimits(text, this.provider);
    try {
      json = JSON.parse(text);
    } catch {
      throw invalidResponse(this.provider, 'sent an event that is not JSON.');
    }
    return isRecord(json) ? json : {};
  }

  #event(type: string, event: JsonObject, emit: EmitChatEvent): void {
    if (!this.#started) {
      this.#started = true;
      emit({ type: 'start' });
    }
    // After the content, only usage follows.
    if (this.#stopped && type !== 'metadata') return;
    const index = asCount(event.contentBlockIndex) ?? 0;
    switch (type) {
      case 'contentBlockStart': {
        const start = isRecord(event.start) ? event.start : {};
        if (isRecord(start.toolUse)) this.#begin(this.#callPart(start.toolUse), index, emit);
        break;
      }
      case 'contentBlockDelta':
        this.#delta(isRecord(event.delta) ? event.delta : {}, index, emit);
        break;
      case 'contentBlockStop':
        this.#close(emit);
        break;
      case 'messageStop':
        assertUsable(event.stopReason, this.provider);
        this.#close(emit);
        this.#stopped = true;
        emit({ type: 'finish', choice: 0, finish: readStop(event.stopReason, this.throughTool) });
        break;
      case 'metadata': {
        const usage = readConverseUsage(event.usage);
        if (usage) emit({ type: 'usage', usage });
        if (this.#stopped) this.#finish(emit);
        break;
      }
    }
  }

  #callPart({ toolUseId, name }: JsonObject): StreamedPart {
    if (this.throughTool && name === JSON_TOOL) return { type: 'text' };
    return { type: 'tool-call', id: asString(toolUseId) ?? '', name: asString(name) ?? '' };
  }

  /** Opens a part. Only tool calls have a start event; other blocks start with their first delta. */
  #begin(part: StreamedPart, index: number, emit: EmitChatEvent): void {
    this.#close(emit);
    this.#open = { kind: part.type, index };
    emit({ type: 'part-start', choice: 0, part });
  }

  #need(kind: 'text' | 'reasoning', index: number, emit: EmitChatEvent): void {
    if (this.#open?.kind === kind && this.#open.index === index) return;
    this.#begin({ type: kind }, index, emit);
  }

  #delta(delta: JsonObject, index: number, emit: EmitChatEvent): void {
    if (typeof delta.text === 'string') {
      this.#need('text', index, emit);
      if (delta.text !== '') emit({ type: 'delta', choice: 0, text: delta.text });
    } else if (isRecord(delta.toolUse)) {
      const text = asString(delta.toolUse.input);
      if (text && this.#open) emit({ type: 'delta', choice: 0, text });
    } else if (isRecord(delta.reasoningContent)) {
      this.#reasoning(delta.reasoningContent, index, emit);
    } else if (isRecord(delta.citation)) {
      this.#need('text', index, emit);
      emit({ type: 'citation', choice: 0, citation: readConverseCitation(delta.citation) });
    }
  }

  #reasoning({ text, signature, redactedContent }: JsonObject, index: number, emit: EmitChatEvent): void {
    const { origin } = this;
    if (typeof redactedContent === 'string') {
      const part = { type: 'reasoning', text: '', redacted: { origin, value: redactedContent } } as const;
      this.#begin({ type: 'whole', part }, index, emit);
      return;
    }
    this.#need('reasoning', index, emit);
    if (typeof text === 'string' && text !== '') emit({ type: 'delta', choice: 0, text });
    if (typeof signature === 'string') {
      emit({ type: 'signature', choice: 0, signature: { origin, value: signature } });
    }
  }

  #close(emit: EmitChatEvent): void {
    if (!this.#open) return;
    this.#open = undefined;
    emit({ type: 'part-end', choice: 0 });
  }
}
