import { AnswerText } from '../../core/answer-text.ts';
import { asGatewayError, GatewayError } from '../../core/errors.ts';
import type { StreamDecoder, StreamObservation } from '../../core/inference.ts';
import { isRecord } from '../../core/json.ts';
import { concatBytes, parseBlock, SseFramer } from '../../core/sse.ts';
import type { Provider } from '../types.ts';
import { errorFromObject } from './errors.ts';
import type { PassthroughWriter } from './passthrough-writer.ts';
import { readUsage } from './usage.ts';

const COLON = 58;
const DATA = new TextEncoder().encode('data: {');

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false;
  for (let at = 0; at < prefix.length; at += 1) if (bytes[at] !== prefix[at]) return false;
  return true;
}

/**
 * Reads an OpenAI-format event stream: checks every event, learns usage and finish reason, and hands each
 * event to a writer. A stream that stops before a finish reason is a failure, never a clean end.
 */
export class OpenAiStreamDecoder implements StreamDecoder {
  readonly #answer = new AnswerText();
  readonly observed: StreamObservation = {
    usage: undefined,
    finishReason: undefined,
    chunks: 0,
    text: this.#answer,
  };
  started = false;
  finished = false;
  failure: GatewayError | undefined;

  readonly #framer = new SseFramer();
  readonly #text = new TextDecoder('utf-8', { fatal: true });
  readonly #onBlock = (block: Uint8Array) => this.#block(block);
  #out: Uint8Array[] = [];

  constructor(
    private readonly provider: Pick<Provider, 'id' | 'credential'>,
    private readonly writer: PassthroughWriter,
  ) {}

  push(bytes: Uint8Array): Uint8Array | undefined {
    if (this.finished || this.failure) return undefined;
    try {
      this.#framer.push(bytes, this.#onBlock);
    } catch (error) {
      this.#fail(error);
    }
    return this.#take();
  }

  end(): Uint8Array | undefined {
    if (this.finished || this.failure) return undefined;
    const rest = this.#framer.end();
    try {
      // The format drops an event without its empty line; vendors do end that way, so a whole one is accepted.
      if (rest.length > 0) this.#block(rest[rest.length - 1] === 10 ? rest.subarray(0, -1) : rest);
      if (!this.finished && !this.failure) this.#complete();
    } catch (error) {
      this.#fail(error);
    }
    return this.#take();
  }

  #take(): Uint8Array | undefined {
    if (this.#out.length === 0) return undefined;
    const out = concatBytes(this.#out);
    this.#out = [];
    return out;
  }

  #emit(bytes: Uint8Array | undefined): void {
    if (bytes) this.#out.push(bytes);
  }

  #block(block: Uint8Array): void {
    if (this.finished || this.failure) return;
    let text: string;
    try {
      text = this.#text.decode(block);
    } catch {
      throw this.#invalid('bytes that are not UTF-8');
    }
    let data: string | undefined;
    if (startsWith(block, DATA) && !text.includes('\n')) {
      data = text.slice(6);
    } else {
      data = parseBlock(text).data;
      if (data === undefined) {
        if (block[0] === COLON) this.#emit(this.writer.comment(block));
        return;
      }
      // Pings of some vendors carry no data; clients would try to parse them.
      if (data.trim() === '') return;
      if (data.trim() === '[DONE]') {
        this.#complete();
        return;
      }
    }
    this.#event(block, data);
  }

  #event(block: Uint8Array, text: string): void {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw this.#invalid(`an event that is not JSON: ${excerpt(text)}`);
    }
    if (!isRecord(json)) throw this.#invalid(`an event that is not an object: ${excerpt(text)}`);
    if (json.error !== undefined && json.error !== null) {
      throw errorFromObject(json, this.provider.id, this.provider.credential);
    }
    const usage = readUsage(json.usage);
    if (usage) this.observed.usage = usage;
    const choices = json.choices;
    if (Array.isArray(choices) && choices.length > 0) {
      this.observed.chunks += 1;
      this.started = true;
      for (const choice of choices) {
        if (!isRecord(choice)) continue;
        if (typeof choice.finish_reason === 'string') this.observed.finishReason = choice.finish_reason;
        const { delta } = choice;
        if (isRecord(delta)) this.#read(delta);
        else this.#answer.add(choice.text);
      }
    }
    this.#emit(this.writer.chunk({ block, text, json }));
  }

  #read({ content, reasoning_content, reasoning, tool_calls }: Readonly<Record<string, unknown>>): void {
    this.#answer.add(content);
    this.#answer.add(reasoning_content);
    this.#answer.add(reasoning);
    if (!Array.isArray(tool_calls)) return;
    for (const call of tool_calls) {
      if (!isRecord(call) || !isRecord(call.function)) continue;
      this.#answer.add(call.function.name);
      this.#answer.add(call.function.arguments);
    }
  }

  #complete(): void {
    if (this.observed.finishReason === undefined) {
      throw new GatewayError(
        'upstream_closed',
        `Provider "${this.provider.id}" ended the stream before the answer was complete (no finish reason).`,
        { provider: this.provider.id },
      );
    }
    this.finished = true;
    this.#emit(this.writer.done(this.observed));
  }

  #invalid(what: string): GatewayError {
    return new GatewayError('upstream_invalid_response', `Provider "${this.provider.id}" sent ${what}`, {
      provider: this.provider.id,
    });
  }

  #fail(error: unknown): void {
    this.failure =
      error instanceof GatewayError
        ? error
        : asGatewayError(this.#invalid(error instanceof Error ? error.message : 'an unreadable stream'));
  }
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
