import type { ChatEvent, EmitChatEvent } from '../../core/chat/result.ts';
import { asString, isRecord, type JsonObject } from '../../core/json.ts';
import { streamClosed } from '../decode.ts';
import { SseChatReader } from '../sse-chat-reader.ts';
import type { Target } from '../types.ts';
import { errorFromResponses } from './errors.ts';
import { originOf } from './origin.ts';
import { finishOf, identityOf } from './output.ts';
import { OutputEvents } from './output-events.ts';
import { readResponsesUsage } from './usage.ts';

/** Only the last event says whether a response is complete. */
export const LAST_EVENT_MISSING = 'no response.completed event';

/** Reads the event stream of a response. */
export class ResponsesReader extends SseChatReader {
  readonly #output: OutputEvents;
  #started = false;
  #emit: EmitChatEvent = () => undefined;

  constructor(target: Target) {
    super(target.provider);
    this.#output = new OutputEvents(originOf(target), (event) => this.#emitEvent(event));
  }

  override push(bytes: Uint8Array, emit: EmitChatEvent): void {
    this.#emit = emit;
    super.push(bytes, emit);
  }

  override end(emit: EmitChatEvent): void {
    this.#emit = emit;
    super.end(emit);
  }

  protected override event(json: JsonObject, name: string | undefined): void {
    const type = asString(json.type) ?? name ?? '';
    if (type === 'error' || (json.error !== undefined && json.error !== null)) {
      throw errorFromResponses(json, this.provider);
    }
    if (type.startsWith('response.')) this.#responseEvent(type.slice('response.'.length), json);
    else this.keepAlive();
  }

  protected override keepAlive(): void {
    if (this.#started) this.#emit({ type: 'ping' });
  }

  protected override bodyEnded(): void {
    throw streamClosed(this.provider, LAST_EVENT_MISSING);
  }

  #emitEvent(event: ChatEvent): void {
    if (!this.#started) this.#start({});
    this.#emit(event);
  }

  #start(response: JsonObject): void {
    if (this.#started) return;
    this.#started = true;
    this.#emit({ type: 'start', ...identityOf(response) });
  }

  #responseEvent(type: string, json: JsonObject): void {
    const response = isRecord(json.response) ? json.response : {};
    switch (type) {
      case 'created':
      case 'queued':
      case 'in_progress':
        this.#start(response);
        return;
      case 'failed':
      case 'cancelled':
        throw errorFromResponses(json, this.provider);
      case 'completed':
      case 'incomplete':
        this.#complete({ status: type, ...response });
        return;
      default:
        this.#output.event(type, json);
    }
  }

  #complete(response: JsonObject): void {
    this.#start(response);
    this.#output.complete(response);
    const usage = readResponsesUsage(response.usage);
    if (usage) this.#emit({ type: 'usage', usage });
    this.#emit({ type: 'finish', choice: 0, finish: finishOf(response, this.#output.hasToolCalls) });
    this.#emit({ type: 'end' });
    this.ended = true;
  }
}
