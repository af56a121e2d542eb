import type { ChatEvent, ChatEventReader, EmitChatEvent } from '../../core/chat/result.ts';
import { GatewayError } from '../../core/errors.ts';
import { asString, isRecord, type JsonObject } from '../../core/json.ts';
import { EventTooLargeError, parseBlock, SseFramer } from '../../core/sse.ts';
import { invalidResponse } from '../decode.ts';
import type { Target } from '../types.ts';
import { decodeBlock, decodeData } from './block.ts';
import { errorFromResponses } from './errors.ts';
import { originOf } from './origin.ts';
import { finishOf, identityOf } from './output.ts';
import { OutputEvents } from './output-events.ts';
import { readResponsesUsage } from './usage.ts';

/** Without its last event, which says whether it is whole, an answer is not complete. */
export function streamClosed(provider: Target['provider']): GatewayError {
  return new GatewayError(
    'upstream_closed',
    `Provider "${provider.id}" ended the stream before the answer was complete (no response.completed event).`,
    { provider: provider.id },
  );
}

/** Reads the event stream of a response. */
export class ResponsesReader implements ChatEventReader {
  readonly #framer = new SseFramer();
  readonly #output: OutputEvents;
  #started = false;
  #ended = false;
  #emit: EmitChatEvent = () => undefined;

  constructor(private readonly target: Target) {
    this.#output = new OutputEvents(originOf(target), (event) => this.#emitEvent(event));
  }

  push(bytes: Uint8Array, emit: EmitChatEvent): void {
    if (this.#ended) return;
    this.#emit = emit;
    try {
      this.#framer.push(bytes, (block) => this.#block(block));
    } catch (error) {
      if (error instanceof EventTooLargeError) {
        throw invalidResponse(this.target.provider, `sent ${error.message}.`);
      }
      throw error;
    }
  }

  end(emit: EmitChatEvent): void {
    if (this.#ended) return;
    this.#emit = emit;
    const rest = this.#framer.end();
    if (rest.length > 0) this.#block(rest);
    if (!this.#ended) throw streamClosed(this.target.provider);
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

  #block(block: Uint8Array): void {
    if (this.#ended) return;
    const { provider } = this.target;
    const { event, data } = parseBlock(decodeBlock(block, provider));
    if (data === undefined || data.trim() === '') {
      if (this.#started) this.#emit({ type: 'ping' });
      return;
    }
    if (data.trim() === '[DONE]') return;
    const json = decodeData(data, provider);
    const type = asString(json.type) ?? event ?? '';
    if (type === 'error' || (json.error !== undefined && json.error !== null)) {
      throw errorFromResponses(json, provider);
    }
    if (!type.startsWith('response.')) {
      if (this.#started) this.#emit({ type: 'ping' });
      return;
    }
    this.#event(type.slice('response.'.length), json);
  }

  #event(type: string, json: JsonObject): void {
    const response = isRecord(json.response) ? json.response : {};
    switch (type) {
      case 'created':
      case 'queued':
      case 'in_progress':
        this.#start(response);
        return;
      case 'failed':
      case 'cancelled':
        throw errorFromResponses(json, this.target.provider);
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
    this.#ended = true;
  }
}
