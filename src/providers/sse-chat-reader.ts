import type { ChatEventReader, EmitChatEvent } from '../core/chat/result.ts';
import type { JsonObject } from '../core/json.ts';
import { EventTooLargeError, parseBlock, SseFramer } from '../core/sse.ts';
import { decodeEvent, decodeEventText, invalidResponse } from './decode.ts';
import type { Provider } from './types.ts';

/** Reads a stream of server-sent events whose data are JSON objects; a format says what each of them means. */
export abstract class SseChatReader implements ChatEventReader {
  readonly #framer = new SseFramer();
  /** The response is complete: later events are ignored. */
  protected ended = false;

  constructor(protected readonly provider: Pick<Provider, 'id' | 'credential'>) {}

  push(bytes: Uint8Array, emit: EmitChatEvent): void {
    if (this.ended) return;
    try {
      this.#framer.push(bytes, (block) => this.#block(block, emit));
    } catch (error) {
      if (!(error instanceof EventTooLargeError)) throw error;
      throw invalidResponse(this.provider, `sent an unreadable stream: ${error.message}.`);
    }
  }

  end(emit: EmitChatEvent): void {
    if (this.ended) return;
    const rest = this.#framer.end();
    if (rest.length > 0) this.#block(rest, emit);
    if (!this.ended) this.bodyEnded(emit);
  }

  /**
   * Reads one event.
   * @param name of the `event` field
   * @throws GatewayError for what the format forbids, or an error that the upstream reports
   */
  protected abstract event(json: JsonObject, name: string | undefined, emit: EmitChatEvent): void;

  /** The body has ended. Emits what is left. @throws GatewayError `upstream_closed` when the response is not complete */
  protected abstract bodyEnded(emit: EmitChatEvent): void;

  /** `data: [DONE]`, the last event of OpenAI's format, which some proxies add to others. */
  protected done(_emit: EmitChatEvent): void {}

  /** A comment or an event without data: the upstream is alive. */
  protected keepAlive(_emit: EmitChatEvent): void {}

  #block(block: Uint8Array, emit: EmitChatEvent): void {
    if (this.ended) return;
    const { event, data } = parseBlock(decodeEventText(block, this.provider));
    const text = data?.trim() ?? '';
    if (text === '') this.keepAlive(emit);
    else if (text === '[DONE]') this.done(emit);
    else this.event(decodeEvent(text, this.provider), event, emit);
  }
}
