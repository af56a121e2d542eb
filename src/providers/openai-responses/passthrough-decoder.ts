import { decodeLossyUtf8, encodeUtf8, partOf, startsWithBytes } from '../../core/bytes.ts';
import type { GatewayError } from '../../core/errors.ts';
import { asString, isRecord, type JsonObject } from '../../core/json.ts';
import { editMembers } from '../../core/json-edit.ts';
import { formatEvent, parseBlock } from '../../core/sse.ts';
import { decodeEvent, decodeEventText, streamClosed } from '../decode.ts';
import { deltaText } from '../delta-text.ts';
import { SsePassthroughDecoder } from '../sse-passthrough.ts';
import type { Target } from '../types.ts';
import { errorFromResponses } from './errors.ts';
import { finishOf } from './output.ts';
import { LAST_EVENT_MISSING } from './reader.ts';
import { readResponsesUsage } from './usage.ts';

const EVENT = encodeUtf8('event: ');
const COLON = 58;
const LF = 10;

/** Events that contain the whole response or an error. Only these are parsed. */
const LIFECYCLE = new Set(
  ['created', 'queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled'].map(
    (name) => `response.${name}`,
  ),
);
/** The same events by their data, for servers without `event` fields. Quotes inside of strings are escaped. */
const LIFECYCLE_DATA =
  /"type"\s*:\s*"(?:error|response\.(?:created|queued|in_progress|completed|incomplete|failed|cancelled))"/;
const SEQUENCE_NUMBER = /"sequence_number"\s*:\s*(\d+)/g;

/**
 * Forwards the event stream of a response to a client with the same dialect: output events byte for byte, and events
 * that contain the whole response with the model's name as the client sent it.
 */
export class ResponsesPassthroughDecoder extends SsePassthroughDecoder {
  /** The last event, whose sequence number an error event of the gateway continues. */
  #last: Uint8Array | undefined;
  /** The upstream's error event, when it arrived after the response had begun. */
  #errorEvent: Uint8Array | undefined;

  constructor(
    target: Target,
    private readonly model: string,
    private readonly onResponse?: (response: JsonObject) => void,
  ) {
    super(target.provider);
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
    return encodeUtf8(formatEvent('error', JSON.stringify(event)));
  }

  #nextNumber(): number {
    if (!this.#last) return 0;
    let largest = -1;
    // An event contains no larger sequence number than its own.
    for (const match of decodeLossyUtf8(this.#last).matchAll(SEQUENCE_NUMBER)) {
      largest = Math.max(largest, Number(match[1]));
    }
    return largest + 1;
  }

  protected override block(block: Uint8Array): void {
    if (block[0] === COLON) {
      this.out.add(block);
      return;
    }
    const name = eventName(block);
    if (name?.startsWith('response.') && !LIFECYCLE.has(name)) {
      this.#observeOutput(block, name);
      return;
    }
    const text = decodeEventText(block, this.provider);
    if (name === undefined && !LIFECYCLE_DATA.test(text)) {
      const { data = '' } = parseBlock(text);
      if (data.trim() === '' || data.trim() === '[DONE]') return;
      this.#observeOutput(block, text);
      return;
    }
    this.#lifecycle(block, text);
  }

  protected override bodyEnded(): void {
    throw streamClosed(this.provider, LAST_EVENT_MISSING);
  }

  #observeOutput(block: Uint8Array, name: string): void {
    if (name.includes('.delta')) {
      this.observed.chunks += 1;
      this.text.add(deltaText(block));
    }
    this.started = true;
    this.#last = block;
    this.out.add(block);
  }

  #lifecycle(block: Uint8Array, text: string): void {
    const { event, data = '' } = parseBlock(text);
    if (data.trim() === '' || data.trim() === '[DONE]') return;
    const json = decodeEvent(data, this.provider);
    const type = asString(json.type) ?? event ?? '';
    const response = isRecord(json.response) ? json.response : undefined;
    if (type === 'error' || type === 'response.failed' || type === 'response.cancelled') {
      const usage = readResponsesUsage(response?.usage);
      if (usage) this.observed.usage = usage;
      this.#errorEvent = this.#renamed(block, event, data, response);
      throw errorFromResponses(json, this.provider);
    }
    if (!response || !LIFECYCLE.has(type)) {
      this.#observeOutput(block, type);
      return;
    }
    this.#last = block;
    this.out.add(this.#renamed(block, event, data, response));
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
    response: JsonObject | undefined,
  ): Uint8Array {
    if (response?.model === undefined || response.model === this.model) {
      return block;
    }
    const edited = editNested(data, 'response', { model: JSON.stringify(this.model) });
    return encodeUtf8(formatEvent(event, edited));
  }
}

function eventName(block: Uint8Array): string | undefined {
  if (!startsWithBytes(block, EVENT)) return undefined;
  // Every block ends with line feeds.
  return decodeLossyUtf8(partOf(block, EVENT.length, block.indexOf(LF)));
}

/** No JSON text contains it. */
const MARK = '\u0000';

/** Edits members of an object that is itself a member. Every other byte stays. */
function editNested(text: string, member: string, edits: Readonly<Record<string, string>>): string {
  const marked = editMembers(text, { [member]: MARK });
  const start = marked.indexOf(MARK);
  const behind = marked.length - start - MARK.length;
  const inner = text.slice(start, text.length - behind);
  return text.slice(0, start) + editMembers(inner, edits) + text.slice(text.length - behind);
}
