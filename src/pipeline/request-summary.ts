import { dollarsOfPico } from '../metering/price.ts';
import type { LoggedSummary } from '../storage/logged-request.ts';
import type { RequestRecord } from './request-record.ts';

/** What a summary is made of. */
export interface SummarisedRequest {
  readonly record: RequestRecord;
  readonly model: string;
  readonly operation: string;
  readonly tags: readonly string[];
}

/** @returns 10^-12 US dollars; undefined where an attempt has no known price */
export function costOf({ record }: Pick<SummarisedRequest, 'record'>): number | undefined {
  let sum: number | undefined = 0;
  for (const { costPico } of record.attempts) {
    sum = sum === undefined || costPico === null || costPico === undefined ? undefined : sum + costPico;
  }
  return sum;
}

/** @returns a completed request as lists show it */
export function summaryOf(
  { record, model, operation, tags }: SummarisedRequest,
  costPico: number | undefined,
): LoggedSummary {
  const { outcome, attempts, startedAt, endedAt, committedAt, cache } = record;
  const durationMs = Math.max(0, Math.round((endedAt ?? startedAt) - startedAt));
  const last = attempts.at(-1);
  const sum = (of: (one: (typeof attempts)[number]) => number | undefined) =>
    attempts.reduce((total, one) => total + (of(one) ?? 0), 0);
  const kind = outcome?.kind ?? 'done';
  const isHit = cache?.status === 'hit' || cache?.status === 'stale';
  return {
    id: record.id,
    at: new Date(record.at + durationMs).toISOString(),
    tenant: record.tenant,
    key: record.keyId,
    user: record.member ?? null,
    model,
    provider: last?.provider ?? null,
    upstream_model: last?.model ?? null,
    operation,
    tags,
    status: record.status ?? 200,
    error: outcome?.kind === 'failed' ? outcome.error.code : null,
    outcome: isHit ? 'cached' : last || kind === 'done' ? kind : 'rejected',
    attempts: attempts.length,
    input_tokens: sum(({ usage }) => usage?.inputTokens),
    output_tokens: sum(({ usage }) => usage?.outputTokens),
    cached_tokens: sum(({ usage }) => usage?.cachedInputTokens),
    reasoning_tokens: sum(({ usage }) => usage?.reasoningTokens),
    cost: costPico === undefined ? null : dollarsOfPico(costPico),
    estimated: attempts.some(({ estimated }) => estimated),
    duration_ms: durationMs,
    first_event_ms:
      record.stream && committedAt !== undefined ? Math.max(0, Math.round(committedAt - startedAt)) : null,
    trace_id: record.traceId ?? null,
    count: 1,
  };
}
