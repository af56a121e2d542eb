import { encodeUtf8 } from '../core/bytes.ts';
import type { RenderContext } from '../core/chat/dialect.ts';
import type { ChatRequest, MediaSource, Message, ToolMessage, UserMessage } from '../core/chat/request.ts';
import type { ChatEvent, ChatEventReader, ChatEventWriter } from '../core/chat/result.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { ChatCall, InferenceResult, StreamDecoder, StreamObservation } from '../core/inference.ts';
import { OutputText } from '../core/output-text.ts';
import type { ChatFormat } from './format.ts';
import type { AttemptContext, BufferedResponse, InlineMedia, Target } from './types.ts';

const encoder = new TextEncoder();

function about(call: ChatCall, context: AttemptContext): RenderContext {
  return {
    model: call.model,
    requestId: context.requestId,
    createdSeconds: context.createdSeconds,
    includesStreamUsage: call.includesStreamUsage,
    body: call.body,
  };
}

/** Reads an answer in the provider's format and writes it in the client's. */
export function translateResponse(
  format: ChatFormat,
  response: BufferedResponse,
  call: ChatCall,
  target: Target,
  context: AttemptContext,
): InferenceResult {
  const result = format.parse(response, target, call.chat());
  const finish = result.choices[0]?.finish;
  return {
    text: call.dialect.renderResult(result, about(call, context)),
    usage: result.usage,
    finishReason: finish?.raw ?? finish?.unified,
  };
}

export function translateStream(
  format: ChatFormat,
  call: ChatCall,
  target: Target,
  context: AttemptContext,
): StreamDecoder {
  return new TranslatingDecoder(
    format.reader(target, call.chat()),
    call.dialect.streamWriter(about(call, context)),
  );
}

/** A provider's events in, the client dialect's events out. */
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
  readonly #emit = (event: ChatEvent) => this.#event(event);

  constructor(
    private readonly reader: ChatEventReader,
    private readonly writer: ChatEventWriter,
  ) {}

  push(bytes: Uint8Array): Uint8Array | undefined {
    return this.#run(() => this.reader.push(bytes, this.#emit));
  }

  end(): Uint8Array | undefined {
    return this.#run(() => this.reader.end(this.#emit));
  }

  failureEvent(error: GatewayError): Uint8Array | undefined {
    const text = this.writer.failure?.(error);
    return text === undefined ? undefined : encoder.encode(text);
  }

  #run(step: () => void): Uint8Array | undefined {
    if (this.finished || this.failure) return undefined;
    try {
      step();
    } catch (error) {
      this.failure = asGatewayError(error);
    }
    if (this.#out === '') return undefined;
    const out = encodeUtf8(this.#out);
    this.#out = '';
    return out;
  }

  #event(event: ChatEvent): void {
    if (this.finished) return;
    switch (event.type) {
      case 'delta':
        this.observed.chunks += 1;
        this.#output.add(event.text);
        this.started = true;
        break;
      // An upstream may greet and then say that it is overloaded: until it has said something, another can be tried.
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
    this.#out += this.writer.event(event);
  }
}

type MediaPart = Parameters<NonNullable<ChatFormat['needsInline']>>[0];

/** URLs of the media that this target can't fetch by itself. */
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

/** The request with fetched media in the place of their URLs. */
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
