import { readCitation } from '../../core/chat/citations.ts';
import type { EmitChatEvent, FinishReason, StreamedPart } from '../../core/chat/result.ts';
import { asString, isRecord, type JsonObject } from '../../core/json.ts';
import { invalidResponse, streamClosed } from '../decode.ts';
import { SseChatReader } from '../sse-chat-reader.ts';
import type { Provider } from '../types.ts';
import { errorFromMessageEvent } from './errors.ts';
import { readBlock, readStop } from './response.ts';
import { mergeUsage, readMessageUsage } from './usage.ts';
/** Reads the event stream of a message. */
export class MessageEventReader extends SseChatReader {
  /** Usage of all events so far: later events contain the changed members only. */
  #usage: JsonObject = {};
  #open: 'deltas' | 'whole' | undefined;
  #started = false;
  #finished = false;

  /** @param jsonTool the tool whose input is the response, when the response was forced through one */
  constructor(
    provider: Pick<Provider, 'id' | 'credential'>,
    private readonly jsonTool: string | undefined,
  ) {
    super(provider);
  }

  protected override bodyEnded(): void {
    throw streamClosed(this.provider);
  }

  protected override event(event: JsonObject, _name: string | undefined, emit: EmitChatEvent): void {
    switch (event.type) {
      case 'message_start':
        this.#start(isRecord(event.message) ? event.message : {}, emit);
        break;
      case 'content_block_start':
        this.#begin(isRecord(event.content_block) ? event.content_block : {}, emit);
        break;
      case 'content_block_delta':
        if (this.#open === 'deltas') this.#delta(isRecord(event.delta) ? event.delta : {}, emit);
        break;
      case 'content_block_stop':
        this.#close(emit);
        break;
      case 'message_delta':
        this.#messageDelta(event, emit);
        break;
      case 'message_stop':
        if (!this.#started) throw invalidResponse(this.provider, 'sent a stream without a message.');
        this.#finish({ unified: 'other' }, emit);
        this.ended = true;
        emit({ type: 'end' });
        break;
      case 'ping':
        if (this.#started) emit({ type: 'ping' });
        break;
      case 'error':
        throw errorFromMessageEvent(event, this.provider);
    }
  }

  #start(message: JsonObject, emit: EmitChatEvent): void {
    if (this.#started) return;
    this.#started = true;
    const id = asString(message.id);
    const model = asString(message.model);
    emit({ type: 'start', ...(id === undefined ? {} : { id }), ...(model === undefined ? {} : { model }) });
    this.#emitUsage(message.usage, emit);
  }

  #emitUsage(usage: unknown, emit: EmitChatEvent): void {
    if (!isRecord(usage)) return;
    this.#usage = mergeUsage(this.#usage, usage);
    const read = readMessageUsage(this.#usage);
    if (read && this.#started) emit({ type: 'usage', usage: read });
  }

  #begin(block: JsonObject, emit: EmitChatEvent): void {
    if (this.#finished) return;
    if (!this.#started) throw invalidResponse(this.provider, 'sent content before its message.');
    this.#close(emit);
    const part = this.#partOf(block);
    this.#open = part.type === 'whole' ? 'whole' : 'deltas';
    emit({ type: 'part-start', choice: 0, part });
    // Blocks usually open empty; content at their start is a part of the response.
    const text = asString(block.type === 'thinking' ? block.thinking : block.text);
    if (text && this.#open === 'deltas') emit({ type: 'delta', choice: 0, text });
    if (block.type === 'tool_use' && isRecord(block.input) && Object.keys(block.input).length > 0) {
      emit({ type: 'delta', choice: 0, text: JSON.stringify(block.input) });
    }
  }

  #partOf(block: JsonObject): StreamedPart {
    if (block.type === 'text') return { type: 'text' };
    if (block.type === 'thinking') return { type: 'reasoning' };
    if (block.type === 'tool_use') {
      const name = asString(block.name) ?? '';
      if (name === this.jsonTool) return { type: 'text' };
      return { type: 'tool-call', id: asString(block.id) ?? '', name };
    }
    return { type: 'whole', part: readBlock(block) };
  }

  #delta(delta: JsonObject, emit: EmitChatEvent): void {
    const text = asString(delta.text) ?? asString(delta.thinking) ?? asString(delta.partial_json);
    if (text) emit({ type: 'delta', choice: 0, text });
    if (delta.type === 'signature_delta') {
      const value = asString(delta.signature) ?? '';
      emit({ type: 'signature', choice: 0, signature: { origin: 'anthropic', value } });
    }
    const citation =
      delta.type === 'citations_delta' ? readCitation(delta.citation, 'anthropic-messages') : undefined;
    if (citation) emit({ type: 'citation', choice: 0, citation });
  }

  #messageDelta(event: JsonObject, emit: EmitChatEvent): void {
    this.#emitUsage(event.usage, emit);
    const delta = isRecord(event.delta) ? event.delta : {};
    if (typeof delta.stop_reason !== 'string') return;
    this.#finish(readStop(delta.stop_reason, delta.stop_sequence, this.jsonTool !== undefined), emit);
  }

  #close(emit: EmitChatEvent): void {
    if (this.#open !== undefined) emit({ type: 'part-end', choice: 0 });
    this.#open = undefined;
  }

  #finish(finish: FinishReason, emit: EmitChatEvent): void {
    if (this.#finished || !this.#started) return;
    this.#finished = true;
    this.#close(emit);
    emit({ type: 'finish', choice: 0, finish });
  }
}
