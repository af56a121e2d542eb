import type { RenderContext } from '../../core/chat/dialect.ts';
import type { Signature } from '../../core/chat/request.ts';
import type { ChatEvent, ChatEventWriter, FinishReason, StreamedPart } from '../../core/chat/result.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';
import { packSignature, UNSIGNED } from '../signature.ts';
import {
  callBlock,
  messageId,
  signatureBlock,
  stopReason,
  usageOrEstimate,
  wholeBlock,
  wireCitation,
  wireUsage,
} from './wire.ts';

/** Writes the events of a streamed message. There is room for one choice; others are left out. */
export class MessageEventWriter implements ChatEventWriter {
  #index = -1;
  #open: StreamedPart | undefined;
  #usage: Usage | undefined;
  /** UTF-16 units of the response so far. */
  #letters = 0;
  #finish: FinishReason = { unified: 'other' };
  #refused = false;
  /** Of the open text. */
  #textSignature: Signature | undefined;
  /** The open thinking has a signature. */
  #isSigned = false;
  /** The open call has input other than white space. */
  #hasInput = false;
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
        if (event.text === '' || this.#open === undefined || this.#isBlankInput(event.text)) return '';
        this.#letters += event.text.length;
        return `${this.#deltaHead}${JSON.stringify(event.text)}}}\n\n`;
      case 'signature': {
        if (this.#open?.type === 'text') this.#textSignature = event.signature;
        if (this.#open?.type !== 'reasoning') return '';
        const signature = packSignature(event.signature, 'anthropic');
        this.#isSigned = true;
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
            usage: wireUsage(usageOrEstimate(this.#usage, this.renderContext, this.#letters)),
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
      // Most upstreams report their usage at the end only: the last event corrects this estimate.
      usage: wireUsage(usageOrEstimate(this.#usage, this.renderContext, 0)),
    };
    return write({ type: 'message_start', message });
  }

  #begin(part: StreamedPart): string {
    if (part.type === 'refusal') this.#refused = true;
    const block = part.type === 'whole' ? wholeBlock(part.part) : opening(part);
    if (!block) return '';
    this.#index += 1;
    this.#open = part;
    this.#hasInput = false;
    this.#isSigned = false;
    if (part.type === 'whole' && part.part.type === 'text') this.#textSignature = part.part.signature;
    const kind =
      part.type === 'tool-call' || String(block.type).endsWith('tool_use')
        ? '"input_json_delta","partial_json"'
        : part.type === 'reasoning'
          ? '"thinking_delta","thinking"'
          : '"text_delta","text"';
    this.#deltaHead = `event: content_block_delta\ndata: {"type":"content_block_delta","index":${this.#index},"delta":{"type":${kind}:`;
    // Clients read the text of a block from its deltas.
    if (part.type !== 'whole' || block.type !== 'text') return this.#blockStart(block);
    const { text } = block;
    return this.#blockStart({ ...block, text: '' }) + this.#delta({ type: 'text_delta', text });
  }

  #blockStart(block: JsonObject): string {
    return write({ type: 'content_block_start', index: this.#index, content_block: block });
  }

  /** White space before the input: alone it is no JSON, which clients parse at the end. */
  #isBlankInput(text: string): boolean {
    if (this.#hasInput || this.#open?.type !== 'tool-call') return false;
    this.#hasInput = text.trim() !== '';
    return !this.#hasInput;
  }

  #delta(delta: JsonObject): string {
    return write({ type: 'content_block_delta', index: this.#index, delta });
  }

  #close(): string {
    const open = this.#open;
    if (!open) return '';
    const signature = this.#textSignature;
    this.#open = undefined;
    this.#textSignature = undefined;
    const mark =
      open.type === 'reasoning' && !this.#isSigned
        ? this.#delta({ type: 'signature_delta', signature: UNSIGNED })
        : '';
    const stop = mark + write({ type: 'content_block_stop', index: this.#index });
    const block = signatureBlock(signature, this.renderContext.body);
    if (!block) return stop;
    this.#index += 1;
    return (
      stop +
      write({ type: 'content_block_start', index: this.#index, content_block: block }) +
      write({ type: 'content_block_stop', index: this.#index })
    );
  }
}

function opening(part: Exclude<StreamedPart, { type: 'whole' }>): JsonObject {
  switch (part.type) {
    case 'tool-call':
      return callBlock(part, {});
    case 'reasoning':
      return { type: 'thinking', thinking: '', signature: '' };
    default:
      return { type: 'text', text: '' };
  }
}

function write(event: JsonObject & { readonly type: string }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
