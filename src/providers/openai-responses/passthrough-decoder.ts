import { decodeLossyUtf8, OutputBytes, partOf, startsWithBytes } from '../../core/bytes.ts';
import { asGatewayError, GatewayError } from '../../core/errors.ts';
import type { ByteDecoder } from '../../core/inference.ts';
import { asString, isRecord } from '../../core/json.ts';
import { editMembers } from '../../core/json-edit.ts';
import { OutputText } from '../../core/output-text.ts';
import { parseBlock, SseFramer } from '../../core/sse.ts';
import type { StreamObservation } from '../../core/stream/observation.ts';
import { invalidResponse } from '../decode.ts';
import { deltaText } from '../delta-text.ts';
import type { Target } from '../types.ts';
import { decodeBlock, decodeData } from './block.ts';
import { errorFromResponses } from './errors.ts';
import { finishOf } from './output.ts';
import { streamClosed } from './reader.ts';
import { readResponsesUsage } from './usage.ts';

const encoder = new TextEncoder();
const EVENT = encoder.encode('event: ');
const COLON = 58;
const LF = 10;

/** Events with the whole response in them, or with an error: the only ones that are looked into. */
const LIFECYCLE = new Set(
  ['created', 'queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled'].map(
    (name) => `response.${name}`,
  ),
);
/** The same by their data, for servers that don't name their events. Text inside of strings has its quotes escaped. */
const LIFECYCLE_DATA =
  /"type"\s*:\s*"(?:error|response\.(?:created|queued|in_progress|completed|incomplete|failed|cancelled))"/;
const SEQUENCE_NUMBER = /"sequence_number"\s*:\s*(\d+)/g;

/**
 * Hands on the event stream of a response to a client that speaks the same: events of the output as they came,
 * byte for byte; those with the whole response under the model's name as the client gave it.
 */
export class ResponsesPassthroughDecoder implements ByteDecoder {
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
  /** For the number of an error event that the gateway adds. */
  #last: Uint8Array | undefined;
  /** The upstream's own error event, when it came after the answer had begun. */
  #errorEvent: Uint8Array | undefined;

  constructor(
    private readonly target: Target,
    private readonly model: string,
    private readonly onResponse?: (response: Readonly<Record<string, unknown>>) => void,
  ) {}

  push(bytes: Uint8Array): Uint8Array | undefined {
    return this.#run(() => this.#framer.push(bytes, this.#onBlock));
  }

  end(): Uint8Array | undefined {
    return this.#run(() => {
      const rest = this.#framer.end();
      if (rest.length > 0) this.#block(rest);
      if (!this.finished) throw streamClosed(this.target.provider);
    });
  }

  failureEvent(error: GatewayError): Uint8Array {
    if (this.#errorEvent && error === this.failure) return this.#errorEvent;
    const event = {
      type: 'error',
      code: error.shownCode,
      message: error.message,
      param: error.param,
      sequence_number: this.#nextNumber(),
    };
    return encoder.encode(`event: error\ndata: ${JSON.stringify(event)}\n\n`);
  }

  #nextNumber(): number {
    if (!this.#last) return 0;
    const numbers = [...decodeLossyUtf8(this.#last).matchAll(SEQUENCE_NUMBER)];
    // What an event says of itself stands at its end or at its beginning; either way no larger one is in it.
    return Math.max(-1, ...numbers.map((match) => Number(match[1]))) + 1;
  }

  #run(step: () => void): Uint8Array | undefined {
    if (this.finished || this.failure) return undefined;
    try {
      step();
    } catch (error) {
      this.failure =
        error instanceof GatewayError
          ? error
          : error instanceof Error
            ? invalidResponse(this.target.provider, `sent an unreadable stream: ${error.message}`)
            : asGatewayError(error);
    }
    return this.#out.take();
  }

  #block(block: Uint8Array): void {
    if (this.finished || this.failure) return;
    if (block[0] === COLON) {
      this.#out.add(block);
      return;
    }
    const name = eventName(block);
    if (name?.startsWith('response.') && !LIFECYCLE.has(name)) {
      this.#observeOutput(block, name);
      return;
    }
    const text = decodeBlock(block, this.target.provider);
    if (name === undefined && !LIFECYCLE_DATA.test(text)) {
      const { data = '' } = parseBlock(text);
      if (data.trim() === '' || data.trim() === '[DONE]') return;
      this.#observeOutput(block, text);
      return;
    }
    this.#lifecycle(block, text);
  }

  #observeOutput(block: Uint8Array, name: string): void {
    if (name.includes('.delta')) {
      this.observed.chunks += 1;
      this.#output.add(deltaText(block));
    }
    this.started = true;
    this.#last = block;
    this.#out.add(block);
  }

  #lifecycle(block: Uint8Array, text: string): void {
    const { provider } = this.target;
    const { event, data = '' } = parseBlock(text);
    if (data.trim() === '' || data.trim() === '[DONE]') return;
    const json = decodeData(data, provider);
    const type = asString(json.type) ?? event ?? '';
    const response = isRecord(json.response) ? json.response : undefined;
    if (type === 'error' || type === 'response.failed' || type === 'response.cancelled') {
      const usage = readResponsesUsage(response?.usage);
      if (usage) this.observed.usage = usage;
      this.#errorEvent = this.#renamed(block, event, data, response);
      throw errorFromResponses(json, provider);
    }
    if (!response || !LIFECYCLE.has(type)) {
      this.#observeOutput(block, type);
      return;
    }
    this.#last = block;
    this.#out.add(this.#renamed(block, event, data, response));
    if (type !== 'response.completed' && type !== 'response.incomplete') return;
    const usage = readResponsesUsage(response.usage);
    if (usage) this.observed.usage = usage;
    this.observed.finishReason = finishOf({ status: type.slice('response.'.length), ...response }, false).raw;
    this.started = true;
    this.finished = true;
    this.onResponse?.({ ...response, model: this.model });
  }

  #renamed(
    block: Uint8Array,
    event: string | undefined,
    data: string,
    response: Readonly<Record<string, unknown>> | undefined,
  ): Uint8Array {
    if (response?.model === undefined || response.model === this.model) {
      return block;
    }
    const edited = editNested(data, 'response', { model: JSON.stringify(this.model) });
    const name = event === undefined ? '' : `event: ${event}\n`;
    return encoder.encode(`${name}data: ${edited.replaceAll('\n', '\ndata: ')}\n\n`);
  }
}

function eventName(block: Uint8Array): string | undefined {
  if (!startsWithBytes(block, EVENT)) return undefined;
  // Every block ends with line feeds.
  return decodeLossyUtf8(partOf(block, EVENT.length, block.indexOf(LF)));
}

/** No JSON text contains it. */
const MARK = '\u0000';

/** Edits members of an object that is itself a member, and leaves every other byte as it is. */
function editNested(text: string, member: string, edits: Readonly<Record<string, string>>): string {
  const marked = editMembers(text, { [member]: MARK });
  const start = marked.indexOf(MARK);
  const behind = marked.length - start - MARK.length;
  const inner = text.slice(start, text.length - behind);
  return text.slice(0, start) + editMembers(inner, edits) + text.slice(text.length - behind);
}
