import { encodeUtf8 } from '../core/bytes.ts';
import { ChatCollector, eventsOf } from '../core/chat/chat-collector.ts';
import type { RenderContext } from '../core/chat/dialect.ts';
import type { ChatRequest, MediaSource, Message, ToolMessage, UserMessage } from '../core/chat/request.ts';
import type { ChatEvent, ChatEventReader, ChatEventWriter, ChatResult } from '../core/chat/result.ts';
import { CompleteResult } from '../core/complete-result.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { ChatCall, ForwardedBody, StreamDecoder } from '../core/inference.ts';
import { OutputText } from '../core/output-text.ts';
import { type Frame, NO_EVENTS, type StreamMode } from '../core/stream/frame.ts';
import type { StreamObservation } from '../core/stream/observation.ts';
import { estimateInputTokens } from '../core/token-estimate.ts';
import type { ChatFormat, PassthroughFormat } from './format.ts';
import type { AttemptContext, BufferedResponse, InlineMedia, Target } from './types.ts';

function renderContextOf(call: ChatCall, context: AttemptContext): RenderContext {
  return {
    model: call.model,
    requestId: context.requestId,
    createdSeconds: context.createdSeconds,
    includesStreamUsage: call.includesStreamUsage,
    estimateInputTokens: () => estimateInputTokens(call),
    body: call.body,
  };
}

/** Reads a response in the provider's format and renders it in the client's. */
export function translateResponse(
  format: ChatFormat,
  response: BufferedResponse,
  call: ChatCall,
  target: Target,
  context: AttemptContext,
): CompleteResult {
  return renderedResult(format.parse(response, target, call.chat()), call, context);
}

function renderedResult(result: ChatResult, call: ChatCall, context: AttemptContext): CompleteResult {
  for (const warning of call.dialect.unrendered?.(result) ?? []) context.warn(warning);
  const finish = result.choices[0]?.finish;
  const render = (chat: ChatResult) => call.dialect.renderResult(chat, renderContextOf(call, context));
  return new CompleteResult(render(result), result.usage, finish?.raw ?? finish?.unified, {
    decode: () => result,
    render,
  });
}

/** A forwarded response. It is decoded by `format` only if an interceptor asks for the canonical form. */
export function forwardedResult(
  { text, usage, finishReason }: ForwardedBody,
  format: PassthroughFormat['canonical'],
  response: BufferedResponse,
  call: ChatCall,
  target: Target,
  context: AttemptContext,
  request: () => ChatRequest,
): CompleteResult {
  if (!format) return new CompleteResult(text, usage, finishReason);
  return new CompleteResult(text, usage, finishReason, {
    decode: () => format.parse(response, target, request()),
    render: (chat) => call.dialect.renderResult(chat, renderContextOf(call, context)),
  });
}

/** @param mode in `rewrite`, frames carry events only: the end of the chain renders them */
export function translateStream(
  format: ChatFormat,
  call: ChatCall,
  target: Target,
  context: AttemptContext,
  mode: StreamMode,
): StreamDecoder {
  return new TranslatingDecoder(
    format.reader(target, call.chat()),
    mode === 'rewrite' ? undefined : call.dialect.streamWriter(renderContextOf(call, context)),
    mode !== 'bytes',
  );
}

/** Reads an event stream whose client asked for a complete response. */
export class StreamCollector {
  readonly #events = new ChatCollector();
  readonly #onEvent = (event: ChatEvent) => this.#events.add(event);

  constructor(
    private readonly reader: ChatEventReader,
    private readonly call: ChatCall,
    private readonly context: AttemptContext,
  ) {}

  /** The last event has been read; later input is ignored. */
  get isComplete(): boolean {
    return this.#events.isComplete;
  }

  /** @throws GatewayError for what the format forbids, or an error that the upstream reports in the stream */
  push(bytes: Uint8Array): void {
    if (!this.isComplete) this.reader.push(bytes, this.#onEvent);
  }

  /** @throws GatewayError `upstream_closed` when the response is not complete */
  end(): void {
    if (!this.isComplete) this.reader.end(this.#onEvent);
  }

  /** @returns the response in the client's dialect */
  result(): CompleteResult {
    return renderedResult(this.#events.result(), this.call, this.context);
  }
}

/** @returns the decoder of a stream whose upstream sent a complete response; its `end` sends all frames */
export function replayedStream(
  result: ChatResult,
  call: ChatCall,
  context: AttemptContext,
  mode: StreamMode,
): StreamDecoder {
  const reader: ChatEventReader = {
    push: () => undefined,
    end: (emit) => {
      for (const event of eventsOf(result)) emit(event);
    },
  };
  const writer = mode === 'rewrite' ? undefined : call.dialect.streamWriter(renderContextOf(call, context));
  return new TranslatingDecoder(reader, writer, mode !== 'bytes');
}

/** A provider's events in, frames in the client's dialect out. */
class TranslatingDecoder implements StreamDecoder {
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
  #out = '';
  #events: ChatEvent[] = [];
  readonly #onEvent = (event: ChatEvent) => this.#event(event);

  constructor(
    private readonly reader: ChatEventReader,
    private readonly writer: ChatEventWriter | undefined,
    private readonly keepsEvents: boolean,
  ) {}

  push(bytes: Uint8Array, emit: (frame: Frame) => void): void {
    if (this.finished || this.failure) return;
    try {
      this.reader.push(bytes, this.#onEvent);
    } catch (error) {
      this.failure = asGatewayError(error);
    }
    this.#flush(emit);
  }

  end(emit: (frame: Frame) => void): void {
    if (this.finished || this.failure) return;
    try {
      this.reader.end(this.#onEvent);
    } catch (error) {
      this.failure = asGatewayError(error);
    }
    this.#flush(emit);
  }

  failureEvent(error: GatewayError): Uint8Array | undefined {
    const text = this.writer?.failure?.(error);
    return text === undefined ? undefined : encodeUtf8(text);
  }

  #flush(emit: (frame: Frame) => void): void {
    const events = this.keepsEvents ? this.#events : NO_EVENTS;
    const out = this.#out;
    this.#out = '';
    if (this.keepsEvents) this.#events = [];
    if (this.writer) {
      if (out !== '' || events.length > 0) emit({ bytes: encodeUtf8(out), events });
    } else if (events.length > 0) {
      emit({ events });
    }
  }

  #event(event: ChatEvent): void {
    if (this.finished) return;
    switch (event.type) {
      case 'delta':
        this.observed.chunks += 1;
        this.#output.add(event.text);
        this.started = true;
        break;
      // Upstreams may send a first event and then an error: until there is content, another target can respond.
      case 'part-start':
        this.started = true;
        break;
      case 'finish':
        this.observed.finishReason = event.finish.raw ?? event.finish.unified;
        this.started = true;
        break;
      case 'usage':
        this.observed.usage = event.usage;
        break;
      case 'end':
        this.finished = true;
        break;
    }
    if (this.writer) this.#out += this.writer.event(event);
    if (this.keepsEvents) this.#events.push(event);
  }
}

type MediaPart = Parameters<NonNullable<ChatFormat['needsInline']>>[0];

/** URLs of the media that this target cannot download. */
export function mediaUrls(format: ChatFormat, request: ChatRequest, target: Target): string[] {
  const urls = new Set<string>();
  const look = (part: { readonly type: string }) => {
    if (isMedia(part) && part.source.kind === 'url' && format.needsInline?.(part, target)) {
      urls.add(part.source.url);
    }
  };
  if (!format.needsInline) return [];
  for (const message of request.messages) {
    if (message.role === 'user') message.content.forEach(look);
    else if (message.role === 'tool') for (const { content } of message.content) content.forEach(look);
  }
  return [...urls];
}

function isMedia(part: { readonly type: string; readonly source?: MediaSource }): part is MediaPart {
  return part.type === 'image' || part.type === 'audio' || part.type === 'file';
}

/** Replaces URLs in a request with the downloaded media. */
export function withInlineMedia(request: ChatRequest, media: ReadonlyMap<string, InlineMedia>): ChatRequest {
  if (media.size === 0) return request;
  const inline = <Part extends { readonly type: string }>(part: Part): Part => {
    if (!isMedia(part) || part.source.kind !== 'url') return part;
    const found = media.get(part.source.url);
    if (found && part.type === 'image' && !found.mediaType.startsWith('image/')) {
      throw new GatewayError(
        'invalid_request',
        `The picture at ${part.source.url.split(/[?#]/, 1)[0]?.slice(0, 200)} is of type "${found.mediaType}", which is no picture.`,
        { shownCode: 'invalid_file_url' },
      );
    }
    return found ? { ...part, source: { kind: 'base64', ...found } } : part;
  };
  const messages = request.messages.map((message): Message => {
    if (message.role === 'user') {
      return { ...message, content: message.content.map(inline) } satisfies UserMessage;
    }
    if (message.role === 'tool') {
      const content = message.content.map((result) => ({ ...result, content: result.content.map(inline) }));
      return { ...message, content } satisfies ToolMessage;
    }
    return message;
  });
  return { ...request, messages };
}
