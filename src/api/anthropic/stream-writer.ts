import type { RenderContext } from '../../core/chat/dialect.ts';
import type { ChatEvent, ChatEventWriter, FinishReason, StreamedPart } from '../../core/chat/result.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';
import { packSignature } from '../signature.ts';
import { messageId, stopReason, wholeBlock, wireCitation, wireUsage } from './wire.ts';

/** Writes the events of a streamed message. There is room for one choice; others are left out. */
export class MessageEventWriter implements ChatEventWriter {
  #index = -1;
  #open: StreamedPart | undefined;
  #usage: Usage | undefined;
  #finish: FinishReason = { unified: 'other' };
  #refused = false;
  /** Text that opens every delta of the open block. */
  #deltaHead = '';

  constructor(private readonly renderContext: RenderContext) {}

  event(event: ChatEvent): string {
    if ('choice' in event && event.choice !== 0) return '';
    switch (event.type) {
      case 'start':
        return this.#start(event.id);
      case 'part-start':
        return this.#begin(event.part);
      case 'delta':
        return event.text === '' || this.#open === undefined
          ? ''
          : `${this.#deltaHead}${JSON.stringify(event.text)}}}\n\n`;
      case 'signature': {
        if (this.#open?.type !== 'reasoning') return '';
        const signature = packSignature(event.signature, 'anthropic');
        return this.#delta({ type: 'signature_delta', signature });
      }
      case 'citation': {
        const citation = wireCitation(event.citation);
        return citation && this.#open ? this.#delta({ type: 'citations_delta', citation }) : '';
      }
      case 'part-end':
        return this.#close();
      case 'finish':
        this.#finish = event.finish;
        return '';
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'ping':
        return 'event: ping\ndata: {"type":"ping"}\n\n';
      case 'end':
        return (
          write({
            type: 'message_delta',
            delta: stopReason(this.#finish, this.#refused),
            usage: wireUsage(this.#usage),
          }) + write({ type: 'message_stop' })
        );
    }
  }

  #start(id: string | undefined): string {
    const message = {
      id: messageId(id, this.renderContext.requestId),
      type: 'message',
      role: 'assistant',
      model: this.renderContext.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      // Most upstreams tell their usage at the end only; the last event corrects this.
      usage: wireUsage(this.#usage),
    };
    return write({ type: 'message_start', message });
  }

  #begin(part: StreamedPart): string {
    if (part.type === 'refusal') this.#refused = true;
    const block = part.type === 'whole' ? wholeBlock(part.part) : opening(part);
    if (!block) return '';
    this.#index += 1;
    this.#open = part;
    const kind =
      part.type === 'tool-call'
        ? '"input_json_delta","partial_json"'
        : part.type === 'reasoning'
          ? '"thinking_delta","thinking"'
          : '"text_delta","text"';
    this.#deltaHead = `event: content_block_delta\ndata: {"type":"content_block_delta","index":${this.#index},"delta":{"type":${kind}:`;
    return write({ type: 'content_block_start', index: this.#index, content_block: block });
  }

  #delta(delta: JsonObject): string {
    return write({ type: 'content_block_delta', index: this.#index, delta });
  }

  #close(): string {
    if (!this.#open) return '';
    this.#open = undefined;
    return write({ type: 'content_block_stop', index: this.#index });
  }
}

function opening(part: Exclude<StreamedPart, { type: 'whole' }>): JsonObject {
  switch (part.type) {
    case 'tool-call':
      return { type: 'tool_use', id: part.id, name: part.name, input: {} };
    case 'reasoning':
      return { type: 'thinking', thinking: '', signature: '' };
    default:
      return { type: 'text', text: '' };
  }
}

function write(event: JsonObject & { readonly type: string }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
