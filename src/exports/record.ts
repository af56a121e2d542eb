import { dollarsOfPico } from '../metering/price.ts';
import type { UsageEvent } from '../storage/usage-event.ts';

/** One attempt of a request, as other systems receive it. */
export interface ExportedUsage {
  /** The same each time that the record is sent: receivers drop repetitions by it. */
  readonly id: string;
  readonly tenant: string;
  readonly request_id: string;
  /** ISO 8601, when the request began. */
  readonly at: string;
  readonly key: string;
  readonly user: string | null;
  readonly model: string;
  readonly provider: string;
  readonly upstream_model: string;
  readonly operation: string;
  readonly tags: readonly string[];
  readonly client: string | null;
  readonly status: number;
  readonly outcome: string;
  /** 1 for one attempt of each request, 0 for its others. */
  readonly requests: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cached_tokens: number;
  readonly cache_write_tokens: number;
  readonly reasoning_tokens: number;
  /** A decimal number as text; null where no price is known. */
  readonly cost_usd: string | null;
  readonly estimated: boolean;
  readonly duration_ms: number;
  readonly first_event_ms: number | null;
  readonly error: string | null;
  readonly trace_id: string | null;
}

/** @returns a usage event as records of exports have it */
export function exportedUsageOf(event: UsageEvent): ExportedUsage {
  return {
    id: event.id,
    tenant: event.tenant,
    request_id: event.requestId,
    at: new Date(event.at).toISOString(),
    key: event.keyId,
    user: event.member,
    model: event.model,
    provider: event.provider,
    upstream_model: event.upstreamModel,
    operation: event.operation,
    tags: event.tags,
    client: event.client ?? null,
    status: event.status,
    outcome: event.outcome,
    requests: event.requests,
    input_tokens: event.inputTokens,
    output_tokens: event.outputTokens,
    cached_tokens: event.cachedTokens,
    cache_write_tokens: event.cacheWriteTokens,
    reasoning_tokens: event.reasoningTokens,
    cost_usd: event.costPico === null ? null : dollarsOfPico(event.costPico),
    estimated: event.estimated,
    duration_ms: event.durationMs,
    first_event_ms: event.firstEventMs,
    error: event.request?.error ?? null,
    trace_id: event.request?.traceId ?? null,
  };
}
