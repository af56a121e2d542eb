import { createParser } from 'eventsource-parser';
import { decodeLossyUtf8 } from '../core/bytes.ts';
import type { ChatEventReader, EmitChatEvent } from '../core/chat/result.ts';
import type { GatewayError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { MAX_EVENT_BYTES } from '../core/sse.ts';
import { decodeEvent, invalidResponse } from './decode.ts';
import type { Provider } from './types.ts';

const REPLACEMENT = '\ufffd';
/** Lines of one stream with unknown fields: for each one the parser makes an error with a stack. */
const MAX_UNKNOWN_LINES = 1_000;

/**
 * Reads a stream of server-sent events whose data are JSON objects; a format says what each of them means. Passthrough
 * decoders read blocks of bytes instead (`SseFramer`), since they forward them.
 */
export abstract class SseChatReader implements ChatEventReader {
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true });
  readonly #parser = createParser({
    maxBufferSize: MAX_EVENT_BYTES,
    onEvent: ({ event, data }) => {
      this.#sinceEvent = 0;
      this.#read(event, data.trim());
    },
    onComment: () => {
      this.#sinceEvent = 0;
      if (!this.ended) this.keepAlive(this.#emit);
    },
    onError: ({ type, message }) => {
      if (type === 'max-buffer-size-exceeded') throw this.#unreadable(message);
      // The other errors are unknown fields, which the standard ignores.
      this.#unknownLines += 1;
      if (this.#unknownLines > MAX_UNKNOWN_LINES) {
        throw this.#unreadable(`more than ${MAX_UNKNOWN_LINES} lines that are not of an event stream`);
      }
    },
  });
  /** Bytes since the last event or comment. The parser counts those of `data` only. */
  #sinceEvent = 0;
  #unknownLines = 0;
  #emit: EmitChatEvent = () => undefined;
  /** The text so far ends with a carriage return. */
  #sawCr = false;
  /** The response is complete: later events are ignored. */
  protected ended = false;

  constructor(protected readonly provider: Pick<Provider, 'id' | 'credential'>) {}

  push(bytes: Uint8Array, emit: EmitChatEvent): void {
    if (this.ended) return;
    this.#emit = emit;
    if (this.#sinceEvent > MAX_EVENT_BYTES) throw this.#unreadable('an event exceeded the max buffer size');
    this.#sinceEvent += bytes.length;
    let text: string;
    try {
      text = this.#utf8.decode(bytes, { stream: true });
    } catch {
      // Events before the malformed bytes are valid.
      const [valid = ''] = decodeLossyUtf8(bytes).split(REPLACEMENT, 1);
      this.#feed(valid);
      if (this.ended) return;
      throw this.#unreadable('bytes that are not UTF-8');
    }
    this.#feed(text);
  }

  /** Feeds the parser with line feeds only: it searches all of a chunk for carriage returns at each of its lines. */
  #feed(text: string): void {
    if (text === '') return;
    const rest = this.#sawCr && text.startsWith('\n') ? text.slice(1) : text;
    this.#sawCr = text.endsWith('\r');
    this.#parser.feed(rest.includes('\r') ? rest.replaceAll(/\r\n?/g, '\n') : rest);
  }

  end(emit: EmitChatEvent): void {
    if (this.ended) return;
    this.#emit = emit;
    // Some vendors end their streams without the last empty line.
    this.#parser.feed('\n\n');
    if (!this.ended) this.bodyEnded(emit);
  }

  /**
   * Reads one event.
   * @param name of the `event` field
   * @throws GatewayError for what the format forbids, or an error that the upstream reports
   */
  protected abstract event(json: JsonObject, name: string | undefined, emit: EmitChatEvent): void;

  /**
   * Reads the end of the body, and emits the remaining events.
   * @throws GatewayError `upstream_closed` when the response is not complete
   */
  protected abstract bodyEnded(emit: EmitChatEvent): void;

  /** `data: [DONE]`, the last event of OpenAI's format, which some proxies add to others. */
  protected done(_emit: EmitChatEvent): void {
    // Most formats end in another way.
  }

  /** A comment or an event with empty data: a sign of life. */
  protected keepAlive(_emit: EmitChatEvent): void {
    // Most formats have a separate event for this.
  }

  #read(name: string | undefined, data: string): void {
    if (this.ended) return;
    if (data === '') this.keepAlive(this.#emit);
    else if (data === '[DONE]') this.done(this.#emit);
    else this.event(decodeEvent(data, this.provider), name, this.#emit);
  }

  #unreadable(reason: string): GatewayError {
    return invalidResponse(this.provider, `sent an unreadable stream: ${reason}.`);
  }
}
