import { decodeUtf8, OutputBytes } from '../../core/bytes.ts';
import { asGatewayError, GatewayError } from '../../core/errors.ts';
import type { ByteDecoder } from '../../core/inference.ts';
import { isRecord } from '../../core/json.ts';
import { OutputText } from '../../core/output-text.ts';
import { parseBlock, SseFramer } from '../../core/sse.ts';
import type { StreamObservation } from '../../core/stream/observation.ts';
import type { Provider } from '../types.ts';
import { errorFromObject } from './errors.ts';
import type { PassthroughWriter } from './passthrough-writer.ts';
import { readUsage } from './usage.ts';

const COLON = 58;
const DATA = 'data: ';
const END_LENGTH = '\n\n'.length;

/**
 * Reads an OpenAI-format event stream: checks every event, learns usage and finish reason, and hands each
 * event to a writer. A stream that stops before a finish reason is a failure, never a clean end.
 */
export class OpenAiStreamDecoder implements ByteDecoder {
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
  readonly #out = new OutputBytes();

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
    return this.#out.take();
  }

  end(): Uint8Array | undefined {
    if (this.finished || this.failure) return undefined;
    const rest = this.#framer.end();
    try {
      if (rest.length > 0) this.#block(rest);
      if (!this.finished && !this.failure) this.#complete();
    } catch (error) {
      this.#fail(error);
    }
    return this.#out.take();
  }

  #block(block: Uint8Array): void {
    if (this.finished || this.failure) return;
    let text: string;
    try {
      text = decodeUtf8(block);
    } catch {
      throw this.#invalid('bytes that are not UTF-8');
    }
    const end = text.length - END_LENGTH;
    if (text.startsWith('data: {') && text.indexOf('\n') === end) {
      this.#event(block, text.slice(DATA.length, end), true);
      return;
    }
    const { data } = parseBlock(text);
    if (data === undefined) {
      if (block[0] === COLON) this.writer.comment(block, this.#out);
      return;
    }
    // Pings of some vendors carry no data; clients would try to parse them.
    if (data.trim() === '') return;
    if (data.trim() === '[DONE]') this.#complete();
    else this.#event(block, data, false);
  }

  #event(block: Uint8Array, text: string, isOneLine: boolean): void {
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
      this.observed.finishReason = finishReasonOf(choices) ?? this.observed.finishReason;
      for (const words of wordsOf(choices)) this.#output.add(words);
    }
    this.writer.chunk({ block, isOneLine, text, json }, this.#out);
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
    this.writer.done(this.observed, this.#out);
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

function finishReasonOf(choices: readonly unknown[]): string | undefined {
  let found: string | undefined;
  for (const choice of choices) {
    if (isRecord(choice) && typeof choice.finish_reason === 'string') found = choice.finish_reason;
  }
  return found;
}

/** What of an event counts as text of the answer. */
function wordsOf(choices: readonly unknown[]): string[] {
  const words: unknown[] = [];
  for (const choice of choices) {
    if (!isRecord(choice)) continue;
    const { delta } = choice;
    if (!isRecord(delta)) {
      words.push(choice.text);
      continue;
    }
    words.push(delta.content, delta.reasoning_content, delta.reasoning);
    if (!Array.isArray(delta.tool_calls)) continue;
    for (const call of delta.tool_calls) {
      if (isRecord(call) && isRecord(call.function)) words.push(call.function.name, call.function.arguments);
    }
  }
  return words.filter((piece): piece is string => typeof piece === 'string' && piece !== '');
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
