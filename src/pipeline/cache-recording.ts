import type { CacheControls } from '../cache/cache-controls.ts';
import { type CachedResponse, type CacheEntry, ENTRY_FORMAT } from '../cache/cache-entry.ts';
import { variantOf } from '../cache/cache-key.ts';
import type { ExactSettings } from '../cache/cache-settings.ts';
import type { CacheStore } from '../cache/cache-store.ts';
import { isWhole, type StorableCall } from '../cache/cacheable.ts';
import type { Clock } from '../core/clock.ts';
import type { InferenceResponse } from '../dispatch/inference-response.ts';
import type { Target } from '../providers/types.ts';
import { ownerOf } from './cache-scope.ts';
import { type Recording, StreamRecorder } from './recorded-stream.ts';
import type { RequestContext } from './request-context.ts';

export interface RecordingServices {
  readonly clock: Clock;
  readonly responses: CacheStore<CachedResponse>;
  /** Whether the bytes of responses in a dialect can be decoded later. */
  readonly isDecodable: (dialect: string) => boolean;
}

/** A response that is to be stored. */
export interface RecordedCall {
  readonly key: string;
  readonly call: StorableCall;
  readonly settings: ExactSettings;
  readonly controls: CacheControls;
  /** The request that made the upstream call. */
  readonly request: RequestContext;
  /** Called with the entry when it is stored. Never throws, and is not waited for. */
  readonly onStored?: ((entry: CacheEntry<CachedResponse>) => Promise<void>) | undefined;
}

/** Called before the call is made: streams in a dialect that cannot be decoded are recorded as events. */
export function prepareRecording(
  call: StorableCall,
  { routing }: RequestContext,
  { isDecodable }: Pick<RecordingServices, 'isDecodable'>,
): void {
  if (call.operation === 'chat' && call.stream && !isDecodable(call.dialect.name)) {
    routing.requireStreamMode('observe');
  }
}

/**
 * Stores a response once it is known to be complete.
 * @returns the response, recorded on its way where it is a stream
 */
export function recordResponse(
  response: InferenceResponse,
  recorded: RecordedCall,
  services: RecordingServices,
): InferenceResponse {
  const { source, body } = response;
  if (source.kind !== 'target') return response;
  if (body.kind === 'complete') {
    const { result } = body;
    const { usage, finishReason, text } = result;
    if (text.length > recorded.settings.maxEntryBytes) return response;
    // Decoded already, where the response was translated.
    const decoded = isReadable(recorded.call, services) ? undefined : result.chat();
    store(recorded, source.target, { usage, finishReason, text, result: decoded }, services);
    return response;
  }
  const { stream } = body;
  const { settings, call, request } = recorded;
  const recorder = new StreamRecorder({
    maxBytes: settings.maxEntryBytes,
    keepsPace: settings.replay === 'paced',
    keepsEvents: keepsEvents(call, request, services),
    now: () => services.clock.now(),
    onRecorded: ({ frames, pace, events }: Recording) => {
      const { usage, finishReason } = stream.observed;
      const kept = frames && isReadable(call, services) ? undefined : events;
      if (frames || kept)
        store(recorded, source.target, { usage, finishReason, frames, pace, events: kept }, services);
    },
  });
  return { ...response, body: { kind: 'stream', stream: stream.through(recorder) } };
}

function isReadable(call: StorableCall, { isDecodable }: RecordingServices): boolean {
  return call.operation === 'rerank' || isDecodable(call.dialect.name);
}

/** Frames may lose their bytes in mode `rewrite`. */
function keepsEvents(call: StorableCall, { routing }: RequestContext, services: RecordingServices): boolean {
  if (call.operation !== 'chat') return false;
  return routing.streamMode === 'rewrite' || !isReadable(call, services);
}

type Content = Pick<
  CachedResponse,
  'usage' | 'finishReason' | 'text' | 'frames' | 'pace' | 'events' | 'result'
>;

/** Stores when the request has ended: then its cost is known, which is what a hit saves. */
function store(
  { key, call, settings, controls, request, onStored }: RecordedCall,
  target: Target,
  content: Content,
  { clock, responses }: RecordingServices,
): void {
  if (!isWhole(call, content.finishReason)) return;
  const ttlMs = Math.min(controls.ttlMs ?? settings.ttlMs, Math.max(settings.maxTtlMs, settings.ttlMs));
  const storedAt = clock.wallTime();
  const freshUntil = storedAt + ttlMs;
  const durationMs = Math.round(clock.now() - request.timing.startedAt);
  request.afterEnd(() => {
    const { attempts, warnings } = request.routing;
    const pico = attempts.reduce((sum, { costPico }) => sum + (costPico ?? 0), 0);
    const entry: CacheEntry<CachedResponse> = {
      ...{ format: ENTRY_FORMAT, key, owner: ownerOf(request, controls), storedAt, freshUntil },
      usableUntil: freshUntil + Math.max(settings.staleWhileRevalidateMs, settings.staleIfErrorMs),
      value: {
        ...content,
        ...{ warnings, durationMs, nanoUsd: Math.round(pico / 1_000) },
        dialect: call.operation === 'rerank' ? undefined : call.dialect.name,
        modelName: call.model,
        variant: variantOf(call),
        provider: target.provider.id,
        upstreamModel: target.model,
      },
    };
    responses.set(entry);
    void onStored?.(entry);
  });
}
