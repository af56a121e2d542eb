import { ByteCollector } from '../../core/byte-collector.ts';
import { copyBytes, partOf } from '../../core/bytes.ts';
import type { ChatEventReader, EmitChatEvent } from '../../core/chat/result.ts';
import { asString, isRecord, type JsonObject } from '../../core/json.ts';
import { MAX_EVENT_BYTES } from '../../core/sse.ts';
import { assertUpstreamLimits, decodeEventText, invalidResponse, streamClosed } from '../decode.ts';
import type { Provider } from '../types.ts';
import { errorFromEvent } from '../upstream-error.ts';
import { identityOf, readCalls, readFinish, readLogprobs, readOllamaUsage } from './response.ts';

const LF = 10;

/** Reads Ollama's stream: one JSON object on each line. */
export class OllamaEventReader implements ChatEventReader {
  /** The beginning of a line. */
  readonly #held = new ByteCollector();
  #output: string | undefined;
  #open: 'text' | 'reasoning' | undefined;
  #calls = 0;
  #started = false;
  #ended = false;

  constructor(private readonly provider: Pick<Provider, 'id' | 'credential'>) {}

  push(bytes: Uint8Array, emit: EmitChatEvent): void {
    let start = 0;
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
      this.#held.add(partOf(bytes, start, end));
      this.#line(this.#held.take(), emit);
      start = end + 1;
    }
    if (start === bytes.length) return;
    this.#held.add(start === 0 ? bytes : copyBytes(bytes, start));
    if (this.#held.length > MAX_EVENT_BYTES)
      throw invalidResponse(this.provider, 'sent a line without an end.');
  }

  end(emit: EmitChatEvent): void {
    const rest = this.#held.take();
    if (rest.length > 0) this.#line(rest, emit);
    if (this.#ended) return;
    throw streamClosed(this.provider);
  }

  #line(line: Uint8Array, emit: EmitChatEvent): void {
    if (this.#ended) return;
    const text = decodeEventText(line, this.provider).trim();
    if (text === '') return;
    assertUpstreamLimits(text, this.provider);
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw invalidResponse(this.provider, 'sent a line that is not JSON.');
    }
    if (!isRecord(json)) throw invalidResponse(this.provider, 'sent a line that is not an object.');
    const error = asString(json.error);
    if (error !== undefined) throw errorFromEvent({ message: error }, this.provider);
    this.#piece(json, emit);
  }

  #piece(json: JsonObject, emit: EmitChatEvent): void {
    if (!this.#started) {
      this.#started = true;
      this.#output = asString(json.created_at);
      emit({ type: 'start', ...identityOf(json) });
    }
    const message = isRecord(json.message) ? json.message : {};
    const logprobs = readLogprobs(json.logprobs);
    this.#delta('reasoning', asString(message.thinking), undefined, emit);
    this.#delta('text', asString(message.content), logprobs, emit);
    for (const { id, name, arguments: text } of readCalls(message.tool_calls, this.#output, this.#calls)) {
      this.#close(emit);
      this.#calls += 1;
      emit({ type: 'part-start', choice: 0, part: { type: 'tool-call', id, name } });
      emit({ type: 'delta', choice: 0, text });
      emit({ type: 'part-end', choice: 0 });
    }
    if (json.done !== true) return;
    this.#close(emit);
    emit({ type: 'finish', choice: 0, finish: readFinish(json.done_reason, this.#calls > 0) });
    const usage = readOllamaUsage(json);
    if (usage) emit({ type: 'usage', usage });
    this.#ended = true;
    emit({ type: 'end' });
  }

  #delta(
    kind: 'text' | 'reasoning',
    text: string | undefined,
    logprobs: readonly JsonObject[] | undefined,
    emit: EmitChatEvent,
  ) {
    if (!text) return;
    if (this.#open !== kind) {
      this.#close(emit);
      this.#open = kind;
      emit({ type: 'part-start', choice: 0, part: { type: kind } });
    }
    emit({ type: 'delta', choice: 0, text, ...(logprobs && { logprobs }) });
  }

  #close(emit: EmitChatEvent): void {
    if (this.#open !== undefined) emit({ type: 'part-end', choice: 0 });
    this.#open = undefined;
  }
}
