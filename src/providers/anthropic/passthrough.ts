import { decodeUtf8, OutputBytes, startsWithBytes } from '../../core/bytes.ts';
import { asGatewayError, GatewayError } from '../../core/errors.ts';
import type { ByteDecoder } from '../../core/inference.ts';
import { asString, isRecord } from '../../core/json.ts';
import { editMembers } from '../../core/json-edit.ts';
import { OutputText } from '../../core/output-text.ts';
import { parseBlock, SseFramer } from '../../core/sse.ts';
import type { StreamObservation } from '../../core/stream/observation.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import { deltaText } from '../delta-text.ts';
import type { PassthroughFormat } from '../format.ts';
import type { Provider } from '../types.ts';
import { errorFromMessageEvent } from './errors.ts';
import { streamClosed } from './reader.ts';
import { betaHeaders, messagesUrl } from './url.ts';
import { readMessageUsage } from './usage.ts';

const encoder = new TextEncoder();
/** Nearly all events are these; only their words are of interest here, for counting. */
const DELTA = encoder.encode('event: content_block_delta\n');

/** Hands on Messages: only the model's name is changed, there and back. */
export const anthropicPassthrough: PassthroughFormat = {
  build(call, { provider, model }) {
    const body =
      call.body.model === model ? call.text : editMembers(call.text, { model: JSON.stringify(model) });
    return { url: messagesUrl(provider), headers: betaHeaders(call.headers), body };
  },

  parse(response, call, { provider }) {
    const { text, json } = decodeJson(response, provider);
    if (json.type === 'error') throw errorFromMessageEvent(json, provider);
    if (!Array.isArray(json.content)) {
      throw invalidResponse(provider, 'answered without "content"; this is not a message.');
    }
    return {
      text: json.model === call.model ? text : editMembers(text, { model: JSON.stringify(call.model) }),
      usage: readMessageUsage(json.usage),
      finishReason: asString(json.stop_reason),
    };
  },

  decoder: (call, { provider }) => new MessagePassthroughDecoder(provider, call.model),
};

class MessagePassthroughDecoder implements ByteDecoder {
  readonly #output = new OutputText();
  readonly observed: StreamObservation = {
    usage: undefined,
    finishReason: undefined,
    chunks: 0,
    text: this.#output,
  };
  started = false;
  finished = false;
  failure: GatewayError | undefined;
  readonly #framer = new SseFramer();
  readonly #onBlock = (block: Uint8Array) => this.#block(block);
  #usage: Readonly<Record<string, unknown>> = {};
  readonly #out = new OutputBytes();

  constructor(
    private readonly provider: Pick<Provider, 'id' | 'credential'>,
    private readonly model: string,
  ) {}

  push(bytes: Uint8Array): Uint8Array | undefined {
    if (this.finished || this.failure) return undefined;
    try {
      this.#framer.push(bytes, this.#onBlock);
    } catch (error) {
      this.#fail(error);
    }
    return this.#out.take();
  }

  end(): Uint8Array | undefined {
    if (this.finished || this.failure) return undefined;
    try {
      const rest = this.#framer.end();
      if (rest.length > 0) this.#block(rest);
      if (!this.finished) throw streamClosed(this.provider);
    } catch (error) {
      this.#fail(error);
    }
    return this.#out.take();
  }

  #fail(error: unknown): void {
    const unreadable =
      error instanceof GatewayError ? error : invalidResponse(this.provider, 'sent an unreadable stream.');
    this.failure = asGatewayError(unreadable);
  }

  #block(block: Uint8Array): void {
    if (this.finished) return;
    if (startsWithBytes(block, DELTA)) {
      this.started = true;
      this.observed.chunks += 1;
      this.#output.add(deltaText(block));
      this.#out.add(block);
      return;
    }
    let text: string;
    try {
      text = decodeUtf8(block);
    } catch {
      throw invalidResponse(this.provider, 'sent bytes that are not UTF-8.');
    }
    const { event, data } = parseBlock(text);
    if (data === undefined || data.trim() === '') {
      if (text.startsWith(':')) this.#out.add(block);
      return;
    }
    let json: unknown;
    try {
      json = JSON.parse(data);
    } catch {
      throw invalidResponse(this.provider, 'sent an event that is not JSON.');
    }
    if (!isRecord(json)) throw invalidResponse(this.provider, 'sent an event that is not an object.');
    this.#inspect(json, block, event, data);
  }

  #inspect(
    json: Readonly<Record<string, unknown>>,
    block: Uint8Array,
    event: string | undefined,
    data: string,
  ): void {
    switch (json.type) {
      case 'error':
        throw errorFromMessageEvent(json, this.provider);
      case 'message_start': {
        const message = isRecord(json.message) ? json.message : {};
        this.#emitEvent(message.usage);
        const edited = { ...message, model: this.model };
        const named = editMembers(data, { message: JSON.stringify(edited) });
        this.#out.add(`event: ${event ?? 'message_start'}\ndata: ${named}\n\n`);
        return;
      }
      case 'content_block_start':
        this.started = true;
        break;
      case 'message_delta': {
        this.started = true;
        this.#emitEvent(json.usage);
        const delta = isRecord(json.delta) ? json.delta : {};
        this.observed.finishReason = asString(delta.stop_reason) ?? this.observed.finishReason;
        break;
      }
      case 'message_stop':
        this.finished = true;
        break;
    }
    this.#out.add(block);
  }

  #emitEvent(usage: unknown): void {
    if (!isRecord(usage)) return;
    const known = Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== null));
    this.#usage = { ...this.#usage, ...known };
    this.observed.usage = readMessageUsage(this.#usage);
  }
}
