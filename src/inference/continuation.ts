import type { ClientDialect } from '../core/chat/dialect.ts';
import type { ChatRequest } from '../core/chat/request.ts';
import type { ChatEvent, ChatEventWriter } from '../core/chat/result.ts';
import type { ErrorCode, GatewayError } from '../core/errors.ts';
import type { ChatCall, InferenceCall } from '../core/inference.ts';
import { estimateTokenCount } from '../core/token-estimate.ts';
import type { ModelRoute } from '../routing/directory.ts';

/** Failures of a stream that another target has nothing to do with. */
const CURABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_error',
  'upstream_closed',
  'upstream_timeout',
  'upstream_overloaded',
  'upstream_invalid_response',
  'upstream_rate_limited',
]);

const CONTINUATION_PROMPT =
  'Your answer was cut off by a technical fault. Go on from exactly where it stops, in the middle of a word if need be. Write only what comes next: no repetition, no introduction, no apology.';
const encoder = new TextEncoder();

/**
 * A stream of text that another target may go on with when its own breaks. It is always translated, also where it could
 * be handed on: only then is it known what its reader has read.
 */
export class ContinuableStream {
  /** The call to the first target. */
  readonly call: ChatCall;
  #writer: ChatEventWriter | undefined;
  #text = '';
  /** The part that the client's stream is in the middle of. */
  #open: 'text' | 'other' | undefined;
  /** Whether it is nothing but one answer in text, so far. */
  #plain = true;
  #over = false;

  private constructor(private readonly original: ChatCall) {
    this.call = { ...original, dialect: this.#dialect((about) => this.#first(about)) };
  }

  /** @returns undefined where a stream can't be gone on with, or is not to be */
  static of({ continueStreams }: ModelRoute, call: InferenceCall): ContinuableStream | undefined {
    if (!continueStreams || !call.stream || call.operation !== 'chat') return undefined;
    const { choices = 1, responseFormat, modalities, logprobs } = call.chat();
    const text = responseFormat === undefined || responseFormat.type === 'text';
    return text && choices === 1 && !modalities && !logprobs ? new ContinuableStream(call) : undefined;
  }

  /** What its reader has read. */
  get text(): string {
    return this.#text;
  }

  canGoOn({ code }: GatewayError): boolean {
    return CURABLE.has(code) && this.#plain && !this.#over && this.#text !== '';
  }

  /** The call to the target that goes on. */
  continuation(): ChatCall {
    const request = this.original.chat();
    const text = this.#text;
    const continued: ChatRequest = {
      ...request,
      messages: [
        ...request.messages,
        { role: 'assistant', content: [{ type: 'text', text }] },
        { role: 'user', content: [{ type: 'text', text: CONTINUATION_PROMPT }] },
      ],
      ...(request.maxOutputTokens === undefined
        ? {}
        : {
            maxOutputTokens: Math.max(1, request.maxOutputTokens - estimateTokenCount(text.length)),
          }),
    };
    return { ...this.original, chat: () => continued, dialect: this.#dialect(() => this.#next()) };
  }

  /** What a reader of a stream that nobody goes on with is told, in its dialect. */
  failureEvent(error: GatewayError): Uint8Array | undefined {
    const text = this.#writer?.failure?.(error);
    return text === undefined ? undefined : encoder.encode(text);
  }

  /** Its name is no provider's, so that nobody hands its bodies on. */
  #dialect(streamWriter: ClientDialect['streamWriter']): ClientDialect {
    const { dialect } = this.original;
    return {
      name: 'weir-continued',
      toChat: (body) => dialect.toChat(body),
      requestView: (body) => dialect.requestView(body),
      renderResult: (result, about) => dialect.renderResult(result, about),
      streamWriter,
    };
  }

  #first(about: Parameters<ClientDialect['streamWriter']>[0]): ChatEventWriter {
    const writer = this.original.dialect.streamWriter(about);
    this.#writer = writer;
    this.#text = '';
    this.#open = undefined;
    this.#plain = true;
    return { event: (event) => this.#write(writer, event), failure: () => '' };
  }

  /** Goes on with the same stream: a beginning is none, and text goes into the part that is open. */
  #next(): ChatEventWriter {
    const writer = this.#writer;
    let skipping = false;
    const event = (one: ChatEvent): string => {
      if (!writer) return '';
      switch (one.type) {
        case 'start':
          return '';
        case 'part-start':
          // What it thinks of being cut off is not for the reader.
          if (one.part.type === 'reasoning') {
            skipping = true;
            return '';
          }
          if (one.part.type === 'text' && this.#open === 'text') return '';
          return this.#closeText(writer) + this.#write(writer, one);
        case 'part-end':
          if (!skipping) return this.#write(writer, one);
          skipping = false;
          return '';
        case 'finish':
        case 'end':
          return this.#closeText(writer) + this.#write(writer, one);
        default:
          return skipping && one.type !== 'usage' && one.type !== 'ping' ? '' : this.#write(writer, one);
      }
    };
    return { event, failure: () => '' };
  }

  #closeText(writer: ChatEventWriter): string {
    return this.#open === 'text' ? this.#write(writer, { type: 'part-end', choice: 0 }) : '';
  }

  /** Writes an event, and takes note of where the stream is then. */
  #write(writer: ChatEventWriter, event: ChatEvent): string {
    switch (event.type) {
      case 'part-start':
        this.#open = event.part.type === 'text' ? 'text' : 'other';
        if (event.part.type !== 'text' && event.part.type !== 'reasoning') this.#plain = false;
        break;
      case 'delta':
        if (this.#open === 'text') this.#text += event.text;
        break;
      case 'part-end':
        this.#open = undefined;
        break;
      case 'finish':
        this.#over = true;
        break;
    }
    return writer.event(event);
  }
}

/** Where a stream goes on, or how it ends. */
export interface StreamContinuation {
  readonly body: ReadableStream<Uint8Array> | undefined;
  /** Bytes that come before it. */
  readonly before: Uint8Array | undefined;
}

/**
 * One body after the other.
 * @param continuation asked for when a body has ended; undefined when that was all
 * @param onCancel the reader has gone, perhaps between two bodies, where there is none to cancel
 */
export function concatStreams(
  first: ReadableStream<Uint8Array>,
  continuation: () => Promise<StreamContinuation> | undefined,
  onCancel: () => void,
): ReadableStream<Uint8Array> {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined = first.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        const part = await reader?.read();
        if (part && !part.done) {
          if (part.value.length === 0) continue;
          controller.enqueue(part.value);
          return;
        }
        const next = await continuation();
        reader = next?.body?.getReader();
        if (next?.before && next.before.length > 0) controller.enqueue(next.before);
        if (!reader) {
          controller.close();
          return;
        }
        if (next?.before) return;
      }
    },
    async cancel(reason) {
      await reader?.cancel(reason);
      onCancel();
    },
  });
}
