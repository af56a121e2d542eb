import type { CachedResponse, CacheEntry } from '../cache/cache-entry.ts';
import { variantOf } from '../cache/cache-key.ts';
import type { StorableCall } from '../cache/cacheable.ts';
import { encodeUtf8 } from '../core/bytes.ts';
import { ChatCollector, eventsOf } from '../core/chat/chat-collector.ts';
import type { RenderContext } from '../core/chat/dialect.ts';
import type { ChatEvent, ChatResult } from '../core/chat/result.ts';
import type { Clock } from '../core/clock.ts';
import { CompleteResult } from '../core/complete-result.ts';
import type { ChatCall } from '../core/inference.ts';
import { parseJsonText } from '../core/json.ts';
import type { InferenceResponse, ResponseSource } from '../dispatch/inference-response.ts';
import type { Target } from '../providers/types.ts';
import type { WireReader } from '../providers/wire-readers.ts';
import { byteFrames, decodedFrames, ReplayedStream } from './replayed-stream.ts';
import type { RequestContext } from './request-context.ts';

export interface ReplayServices {
  readonly clock: Clock;
  /** The readers of dialects' wire formats. */
  readonly readers: ReadonlyMap<string, () => WireReader | Promise<WireReader>>;
}

/** One hit: a stored response, and the call that it is served to. */
export interface CacheHit {
  readonly entry: CacheEntry<CachedResponse>;
  readonly call: StorableCall;
  readonly request: RequestContext;
  /** Who made the response: reading its wire format may depend on that. */
  readonly target: Target;
  readonly isPaced: boolean;
}

const NO_HEADERS = { get: () => null };

/**
 * Makes the response to a call of a stored one: its own bytes where they are in the client's dialect, otherwise its content
 * rendered in that dialect, as a stream or complete.
 * @returns undefined where the entry has no form that the client can get; a promise where a reader has to be loaded
 * @throws GatewayError where the entry cannot be read
 */
export function replay(
  hit: CacheHit,
  services: ReplayServices,
): InferenceResponse | undefined | Promise<InferenceResponse | undefined> {
  const { dialect } = hit.entry.value;
  const reader = dialect === undefined ? undefined : services.readers.get(dialect)?.();
  return reader instanceof Promise
    ? reader.then((loaded) => replayWith(hit, loaded, services))
    : replayWith(hit, reader, services);
}

function replayWith(
  hit: CacheHit,
  reader: WireReader | undefined,
  services: ReplayServices,
): InferenceResponse | undefined {
  const { entry, call } = hit;
  const { value } = entry;
  const dialect = isChat(call) ? call.dialect.name : undefined;
  const source: ResponseSource = { kind: 'cache', name: value.provider };
  const content = isChat(call) ? new StoredContent(hit, call, reader) : undefined;
  const isOwn =
    value.dialect === dialect && value.modelName === call.model && value.variant === variantOf(call);
  if (!call.stream) {
    const result =
      isOwn && value.text !== undefined
        ? ownResult(value, value.text, call, content, services.clock, hit)
        : content && renderedResult(value, content, hit, services.clock);
    return result && { source, body: { kind: 'complete', result } };
  }
  const stream =
    isOwn && value.frames
      ? ownStream(value, value.frames, hit, reader, services.clock)
      : content && renderedStream(value, content, services.clock);
  return stream && { source, body: { kind: 'stream', stream: stream.stream } };
}

function isChat(call: StorableCall): call is ChatCall {
  return call.operation === 'chat' || call.operation === 'completion';
}

function ownResult(
  value: CachedResponse,
  text: string,
  call: StorableCall,
  content: StoredContent | undefined,
  clock: Clock,
  hit: CacheHit,
): CompleteResult {
  if (!isChat(call)) return new CompleteResult(text, value.usage, value.finishReason);
  if (call.onResponse) keep(text, call.onResponse);
  if (!content?.isReadable) return new CompleteResult(text, value.usage, value.finishReason);
  return new CompleteResult(text, value.usage, value.finishReason, {
    decode: () => content.result(),
    render: (chat) => call.dialect.renderResult(chat, renderContext(call, hit, clock)),
  });
}

/** The endpoint stores the response under its id again: the first one may have been deleted. */
function keep(text: string, onResponse: NonNullable<ChatCall['onResponse']>): void {
  const json = parseJsonText(text);
  if (typeof json === 'object' && json !== null) onResponse({ ...json });
}

function renderedResult(
  value: CachedResponse,
  content: StoredContent,
  hit: CacheHit,
  clock: Clock,
): CompleteResult | undefined {
  if (!content.isReadable) return undefined;
  const { call } = content;
  const chat = content.result();
  const render = (changed: ChatResult) => call.dialect.renderResult(changed, renderContext(call, hit, clock));
  return new CompleteResult(render(chat), value.usage, value.finishReason, { decode: () => chat, render });
}

function ownStream(
  value: CachedResponse,
  bytes: Uint8Array,
  { call, request, target, isPaced }: CacheHit,
  reader: WireReader | undefined,
  clock: Clock,
): ReplayedStream {
  const { streamMode } = request.routing;
  const pace = isPaced ? value.pace : undefined;
  const isDecoded = streamMode !== 'bytes' && reader !== undefined && isChat(call);
  const frames = isDecoded
    ? decodedFrames(bytes, reader.reader(target, call.chat()))
    : byteFrames(bytes, pace);
  return new ReplayedStream({
    mode: isDecoded || streamMode !== 'rewrite' ? streamMode : 'observe',
    ...{ clock, frames, observed: observationOf(value) },
  });
}

/** The end of the chain renders the events. */
function renderedStream(
  value: CachedResponse,
  content: StoredContent,
  clock: Clock,
): ReplayedStream | undefined {
  if (!content.isReadable) return undefined;
  const frames = content.events().map((event) => ({ frame: { events: [event] }, at: 0 }));
  return new ReplayedStream({ mode: 'rewrite', clock, frames, observed: observationOf(value) });
}

function observationOf({ usage, finishReason }: CachedResponse) {
  return { usage, finishReason, chunks: 1 };
}

function renderContext(call: ChatCall, { request }: CacheHit, clock: Clock): RenderContext {
  return {
    model: call.model,
    requestId: request.identity.id.replaceAll(/\W/g, '_'),
    createdSeconds: Math.floor(clock.wallTime() / 1000),
    includesStreamUsage: call.includesStreamUsage,
    body: call.body,
  };
}

/** The canonical content of an entry, decoded when it is asked for. */
class StoredContent {
  constructor(
    private readonly hit: CacheHit,
    readonly call: ChatCall,
    private readonly reader: WireReader | undefined,
  ) {}

  get isReadable(): boolean {
    const { events, result } = this.hit.entry.value;
    return events !== undefined || result !== undefined || this.reader !== undefined;
  }

  result(): ChatResult {
    const { value } = this.hit.entry;
    if (value.result) return value.result;
    if (value.text !== undefined && this.reader) {
      const response = { status: 200, headers: NO_HEADERS, body: encodeUtf8(value.text) };
      return this.reader.parse(response, this.hit.target, this.call.chat());
    }
    const collector = new ChatCollector();
    for (const event of this.events()) collector.add(event);
    if (collector.isComplete) return collector.result();
    throw new TypeError('a stored stream is not complete');
  }

  events(): readonly ChatEvent[] {
    const { value } = this.hit.entry;
    if (value.events) return value.events;
    if (value.frames && this.reader) {
      const reader = this.reader.reader(this.hit.target, this.call.chat());
      return decodedFrames(value.frames, reader).flatMap(({ frame }) => frame.events);
    }
    return [...eventsOf(this.result())];
  }
}
