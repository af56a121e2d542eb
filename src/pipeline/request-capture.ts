import { ByteCollector } from '../core/byte-collector.ts';
import { ChatCollector } from '../core/chat/chat-collector.ts';
import type { Frame, FrameSink, StreamTransform } from '../core/stream/frame.ts';
import type { RequestContext } from './request-context.ts';
import { recordOf } from './request-record.ts';
import type { SummarisedRequest } from './request-summary.ts';

/** UTF-16 units that are kept of a request, and of a response. */
export const MAX_LOGGED_TEXT = 512 * 1024;
/** What an event of a stream counts as, beside its text. */
const EVENT_SIZE = 50;

/** A completed request, with what was sent and received, before it is redacted. */
export interface CapturedRequest extends SummarisedRequest {
  readonly request: string;
  /** A text, or the canonical form of an assembled stream; undefined where there was no response. */
  readonly response: unknown;
  readonly truncated: readonly ('request' | 'response')[];
  /** Bytes that it takes in memory, about. */
  readonly size: number;
}

/** What the client of one request sent and receives. */
export class RequestCapture implements StreamTransform {
  readonly #request: string;
  #response: string | undefined;
  readonly #events = new ChatCollector();
  #bytes: ByteCollector | undefined;
  #hasEvents = false;
  #size = 0;
  readonly #truncated = new Set<'request' | 'response'>();

  /** @param text of the request's body */
  constructor(text: string) {
    this.#request = text.slice(0, MAX_LOGGED_TEXT);
    if (text.length > MAX_LOGGED_TEXT) this.#truncated.add('request');
  }

  complete(text: string): void {
    this.#response = text.slice(0, MAX_LOGGED_TEXT);
    if (text.length > MAX_LOGGED_TEXT) this.#truncated.add('response');
  }

  frame(frame: Frame, out: FrameSink): void {
    if (!this.#truncated.has('response')) this.#add(frame);
    out.write(frame);
  }

  end(): void {
    // What came is kept, however the stream ended.
  }

  /** @returns what is kept of the request. Call it when it has completed. */
  taken(request: RequestContext, endedAt: number, wallTime: number): CapturedRequest {
    const { identity, controls, routing } = request;
    const response = this.#taken();
    const size = 2 * (this.#request.length + (typeof response === 'string' ? response.length : this.#size));
    return {
      record: recordOf(request, endedAt, wallTime),
      model: routing.modelLabel ?? 'unknown',
      operation: identity.operation,
      tags: controls.tags,
      request: this.#request,
      response,
      truncated: [...this.#truncated],
      size,
    };
  }

  #taken(): unknown {
    if (this.#response !== undefined) return this.#response;
    if (this.#hasEvents) return this.#events.result();
    return this.#bytes && new TextDecoder().decode(this.#bytes.take());
  }

  /** Streams of some formats carry no events: then their bytes are kept. */
  #add({ bytes, events }: Frame): void {
    for (const event of events) {
      this.#size += EVENT_SIZE + (event.type === 'delta' ? event.text.length : 0);
      this.#events.add(event);
    }
    if (events.length > 0) {
      this.#hasEvents = true;
      this.#bytes = undefined;
    } else if (!this.#hasEvents && bytes) {
      this.#bytes ??= new ByteCollector();
      this.#bytes.add(bytes);
      this.#size += bytes.length;
    }
    if (this.#size > MAX_LOGGED_TEXT) this.#truncated.add('response');
  }
}
