import type { Clock } from '../core/clock.ts';
import { HeaderBlock, type HeaderReader, ResponseHeaders } from '../core/http.ts';
import { type RateLimitStatus, tightest } from '../core/rate-limit.ts';
import type { ResponseSource } from '../dispatch/inference-response.ts';
import { setRateLimitHeaders } from '../http/rate-limit-headers.ts';
import { warningsHeader } from '../http/warnings-header.ts';
import type { Prices } from '../metering/prices.ts';
import type { CacheStatus } from '../pipeline/cache-trace.ts';
import { explain } from '../pipeline/explain.ts';
import type { RequestContext } from '../pipeline/request-context.ts';
import { recordOf } from '../pipeline/request-record.ts';
import { costSoFar } from '../pipeline/usage-meter.ts';
import type { Target } from '../providers/types.ts';
import type { ResponseMetadata } from './response-metadata.ts';

/** Bytes. Proxies reject heads that are much longer. */
const MAX_EXPLANATION = 6_000;

export function wantsExplanation(headers: HeaderReader): boolean {
  const value = headers.get('x-weir-explain');
  return value === '1' || value === 'true';
}

/** The headers that explain a response: who made it, what it cost, how the limits stand. */
export class InferenceResponseHeaders {
  /** By target, number of attempts and cache status: nearly all responses share one of a few blocks. */
  readonly #blocks = new WeakMap<Target, Map<number, HeaderBlock>>();

  constructor(
    private readonly clock: Clock,
    private readonly prices: () => Pick<Prices, 'of'>,
  ) {}

  /** @param addressRate how the rate limit of the client's address stands */
  of(
    request: RequestContext,
    source: ResponseSource,
    addressRate: RateLimitStatus | undefined,
  ): ResponseHeaders {
    const { upstream: routing, limits, cache } = request;
    const headers = new ResponseHeaders();
    if (source.kind === 'target') {
      headers.block = this.#block(source.target, routing.attemptCount, cache?.status ?? 'bypass');
    } else headers.set('x-weir-provider', headerSafe(source.name));
    if (cache?.served && source.kind !== 'target') {
      headers.set('x-weir-model', headerSafe(cache.served.model));
      headers.set('x-weir-attempts', '0');
      headers.set('x-weir-cache', cache.status);
    }
    if (cache?.kind !== undefined) headers.set('x-weir-cache-kind', cache.kind);
    if (request.semantic?.result === 'hit') {
      headers.set('x-weir-cache-similarity', (request.semantic.similarity ?? 0).toFixed(3));
      headers.set('x-weir-cache-match', headerSafe(request.semantic.requestId ?? ''));
    }
    if (cache?.ageSeconds !== undefined) headers.set('age', String(cache.ageSeconds));
    if (cache?.inputs) headers.set('x-weir-cache-inputs', `${cache.inputs.cached}/${cache.inputs.all}`);
    const { warnings: own } = request.response;
    if (own || routing.warnings.length > 0) {
      headers.set('x-weir-warnings', warningsHeader([...(own ?? []), ...routing.warnings]));
    }
    const variant = routing.plan?.participation?.variant;
    if (variant !== undefined) headers.set('x-weir-variant', headerSafe(variant));
    if (routing.vendorLimits) headers.setAll(routing.vendorLimits);
    const rate = tightest(addressRate, limits.reservation?.requestRate);
    if (rate) setRateLimitHeaders(headers, rate);
    const warnings = limits.reservation?.warnings ?? [];
    if (warnings.length > 0) headers.set('x-weir-limit-warnings', headerSafe(warnings.join(' ')));
    headers.set('x-weir-latency-ms', String(this.#latencyMs(request)));
    const cost = request.completed ? costSoFar(request) : undefined;
    if (cost !== undefined) headers.set('x-weir-cost', cost);
    for (const [name, value] of request.response.headers) headers.set(name, headerSafe(value));
    return headers;
  }

  /** The same facts for the body of a complete response. */
  metadata(request: RequestContext, source: ResponseSource): ResponseMetadata {
    return {
      latencyMs: this.#latencyMs(request),
      model: source.kind === 'target' ? source.target.model : request.cache?.served?.model,
      isCached: request.cache?.status === 'hit' || request.cache?.status === 'stale',
      cost: request.completed ? costSoFar(request) : undefined,
    };
  }

  /** Milliseconds until the complete response, or the first event of a stream. */
  #latencyMs({ timing }: RequestContext): number {
    return Math.round((timing.committedAt ?? this.clock.now()) - timing.startedAt);
  }

  /** Why the request went where it went, as far as is known now, as JSON that a header can carry. */
  explanation(request: RequestContext): string {
    const record = recordOf(request, this.clock.now(), this.clock.wallTime());
    const text = JSON.stringify(explain(record, this.prices())).replaceAll(
      /[^\x20-\x7e]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    if (text.length <= MAX_EXPLANATION) return text;
    return JSON.stringify({ id: record.id, see: `/admin/v1/requests/${record.id}` });
  }

  #block(target: Target, attempts: number, cache: CacheStatus): HeaderBlock {
    const own = this.#blocks.get(target) ?? new Map<number, HeaderBlock>();
    const place = attempts * CACHE_STATUSES.length + CACHE_STATUSES.indexOf(cache);
    const known = own.get(place);
    if (known) return known;
    const block = new HeaderBlock({
      'x-weir-provider': headerSafe(target.provider.id),
      'x-weir-model': headerSafe(target.model),
      'x-weir-attempts': String(attempts),
      'x-weir-cache': cache,
    });
    own.set(place, block);
    this.#blocks.set(target, own);
    return block;
  }
}

const CACHE_STATUSES: readonly CacheStatus[] = ['bypass', 'miss', 'hit', 'stale'];

/** Upstream model names may hold anything; header values may not. */
function headerSafe(value: string): string {
  return /^[\x20-\x7e]*$/.test(value) ? value : encodeURIComponent(value);
}
