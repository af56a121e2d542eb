import type { EmitChatEvent, StreamedPart, TokenLogprobs } from '../../core/chat/result.ts';
import { asString, isRecord, type JsonObject } from '../../core/json.ts';
import { invalidResponse, streamClosed } from '../decode.ts';
import { SseChatReader } from '../sse-chat-reader.ts';
import { PLAN } from './messages.ts';
import { assertUsable, logprobsOf, readCitation, readCohereUsage, readFinish } from './response.ts';

/** Reads Cohere's v2 chat stream. */
export class CohereEventReader extends SseChatReader {
  #started = false;
  /** The open part: `plan`, `content` (with its kind) or `call`. */
  #open: string | undefined;

  protected override bodyEnded(): void {
    throw streamClosed(this.provider);
  }

  protected override event(event: JsonObject, _name: string | undefined, emit: EmitChatEvent): void {
    const delta = isRecord(event.delta) ? event.delta : {};
    const message = isRecord(delta.message) ? delta.message : {};
    this.#start(event, emit);
    switch (event.type) {
      case 'tool-plan-delta':
        if (this.#open !== 'plan') this.#begin('plan', { type: 'reasoning' }, emit);
        this.#delta(asString(message.tool_plan), emit);
        break;
      case 'content-start':
      case 'content-delta':
        this.#content(isRecord(message.content) ? message.content : {}, event, emit);
        break;
      case 'content-end':
      case 'tool-call-end':
        this.#close(emit);
        break;
      case 'tool-call-start':
      case 'tool-call-delta':
        this.#call(message.tool_calls, event.type === 'tool-call-start', emit);
        break;
      case 'citation-start': {
        const citation = readCitation(message.citations);
        if (citation && this.#open === 'text') emit({ type: 'citation', choice: 0, citation });
        break;
      }
      case 'message-end':
        this.#end(delta, emit);
        break;
    }
  }

  #start(event: JsonObject, emit: EmitChatEvent): void {
    if (this.#started) return;
    this.#started = true;
    const id = asString(event.id);
    emit({ type: 'start', ...(id === undefined ? {} : { id }) });
  }

  #content(content: JsonObject, { type, logprobs }: JsonObject, emit: EmitChatEvent): void {
    const kind = content.type === 'thinking' || typeof content.thinking === 'string' ? 'thinking' : 'text';
    if (type === 'content-start' || this.#open !== kind) {
      this.#begin(kind, { type: kind === 'text' ? 'text' : 'reasoning' }, emit);
    }
    this.#delta(asString(kind === 'text' ? content.text : content.thinking), emit, logprobsOf(logprobs));
  }

  #call(value: unknown, begins: boolean, emit: EmitChatEvent): void {
    const call = isRecord(value) ? value : {};
    const { name, arguments: text } = isRecord(call.function) ? call.function : {};
    if (begins) {
      if (typeof name !== 'string' || typeof call.id !== 'string') {
        throw invalidResponse(this.provider, 'sent a tool call without a name or an id.');
      }
      this.#begin('call', { type: 'tool-call', id: call.id, name }, emit);
    }
    this.#delta(asString(text), emit);
  }

  #begin(kind: string, part: StreamedPart, emit: EmitChatEvent): void {
    this.#close(emit);
    this.#open = kind;
    emit({ type: 'part-start', choice: 0, part });
  }

  #delta(text: string | undefined, emit: EmitChatEvent, logprobs?: TokenLogprobs): void {
    if (!text || this.#open === undefined) return;
    emit({ type: 'delta', choice: 0, text, ...(logprobs === undefined ? {} : { logprobs }) });
  }

  #close(emit: EmitChatEvent): void {
    if (this.#open === undefined) return;
    if (this.#open === 'plan' || this.#open === 'thinking') {
      const value = this.#open === 'plan' ? PLAN : '';
      emit({ type: 'signature', choice: 0, signature: { origin: 'cohere', value } });
    }
    this.#open = undefined;
    emit({ type: 'part-end', choice: 0 });
  }

  #end(delta: JsonObject, emit: EmitChatEvent): void {
    const reason = asString(delta.finish_reason);
    assertUsable(reason, delta.error, this.provider);
    this.#close(emit);
    this.ended = true;
    emit({ type: 'finish', choice: 0, finish: readFinish(reason) });
    const usage = readCohereUsage(delta.usage);
    if (usage) emit({ type: 'usage', usage });
    emit({ type: 'end' });
  }
}
