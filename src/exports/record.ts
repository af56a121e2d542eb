import { dollarsOfPico } from '../metering/price.ts';
import type { LoggedContent } from '../storage/logged-request.ts';
import type { UsageEvent } from '../storage/usage-event.ts';
import { cutTexts } from './cut-texts.ts';

/** What all records have. */
interface RecordBase {
  /** The same each time that the record is sent: receivers drop repetitions by it. */
  readonly id: string;
  readonly tenant: string;
  readonly request_id: string;
  /** ISO 8601, when the request began. */
  readonly at: string;
  readonly key: string;
  readonly user: string | null;
  readonly model: string;
  readonly operation: string;
  readonly tags: readonly string[];
  readonly status: number;
  readonly outcome: string;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cached_tokens: number;
  readonly reasoning_tokens: number;
  /** A decimal number as text; null where no price is known. */
  readonly cost_usd: string | null;
  readonly estimated: boolean;
  readonly duration_ms: number;
  readonly first_event_ms: number | null;
  readonly error: string | null;
  readonly trace_id: string | null;
}

/** One attempt of a request, as other systems receive it. */
export interface ExportedUsage extends RecordBase {
  readonly provider: string;
  readonly upstream_model: string;
  readonly client: string | null;
  /** 1 for one attempt of each request, 0 for its others. */
  readonly requests: number;
  readonly cache_write_tokens: number;
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

/** A logged request, as other systems receive it. Its texts are redacted, as those of the log. */
export interface ExportedRequest extends RecordBase {
  readonly provider: string | null;
  readonly upstream_model: string | null;
  readonly attempts: number;
  /** The body that the client sent: JSON, or a text where it is none or was cut. */
  readonly request: unknown;
  /** The response in the client's dialect, or the canonical form of a stream; null where there was none. */
  readonly response: unknown;
  /** Parts that were too long. */
  readonly truncated: readonly ('request' | 'response')[];
}

export type ExportedRecord = ExportedUsage | ExportedRequest;

/** @returns whether a record is a logged request */
export function isExportedRequest(record: ExportedRecord): record is ExportedRequest {
  return 'request' in record;
}

/**
 * @param maxBytes of the record as JSON
 * @returns a logged request as records of exports have it
 */
export function exportedRequestOf(content: LoggedContent, maxBytes: number): ExportedRequest {
  const { row, summary, request, response, truncated } = content;
  const { id, at, cost, tenant, key, user, model, provider, upstream_model, operation, tags } = summary;
  const { status, outcome, attempts, estimated, duration_ms, first_event_ms, error, trace_id } = summary;
  const about = {
    ...{ id: row, tenant, request_id: id, at: new Date(Date.parse(at) - duration_ms).toISOString() },
    ...{ key, user, model, provider, upstream_model, operation, tags, status, outcome, attempts },
    ...{ input_tokens: summary.input_tokens, output_tokens: summary.output_tokens },
    ...{ cached_tokens: summary.cached_tokens, reasoning_tokens: summary.reasoning_tokens },
    ...{ cost_usd: cost, estimated, duration_ms, first_event_ms, error, trace_id },
  };
  const left = maxBytes - Buffer.byteLength(JSON.stringify(about)) - NAMES;
  const { parts, cut } = cutTexts({ request, response }, Math.max(0, left));
  return {
    ...about,
    ...parts,
    truncated: PARTS.filter((part) => truncated.includes(part) || cut.includes(part)),
  };
}

const PARTS = ['request', 'response'] as const;
/** Bytes of the name and values of `truncated`. */
const NAMES = 50;
