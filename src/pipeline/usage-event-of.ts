import { type Clock, wallTimeOf } from '../core/clock.ts';
import type { AttemptTrace } from '../dispatch/attempt-trace.ts';
import type { DispatchRequest } from '../dispatch/request.ts';
import type { PriceContext } from '../metering/prices.ts';
import type { RequestFacts, UsageEvent } from '../storage/usage-event.ts';
import type { Outcome, RequestContext } from './request-context.ts';

/** @returns what the prices of a request's attempts depend on */
export function priceContextOf({ identity, timing, controls }: DispatchRequest, clock: Clock): PriceContext {
  return {
    tenant: identity.principal.tenant,
    at: wallTimeOf(clock, timing.startedAt),
    isBatch: controls.isBatch,
  };
}

/** The part of a usage event that depends on how far its request is. */
export type UsageFacts = Pick<
  UsageEvent,
  'id' | 'at' | 'status' | 'outcome' | 'requests' | 'durationMs' | 'request'
>;

/**
 * @param endedAt monotonic milliseconds
 * @returns what the client saw of a request
 */
export function requestFactsOf(
  { timing, controls, trace }: RequestContext,
  outcome: Outcome,
  endedAt: number,
): RequestFacts {
  const { startedAt, committedAt } = timing;
  return {
    durationMs: Math.max(0, Math.round(endedAt - startedAt)),
    firstEventMs:
      controls.stream && committedAt !== undefined ? Math.max(0, Math.round(committedAt - startedAt)) : null,
    error: outcome.kind === 'failed' ? outcome.error.code : outcome.kind === 'done' ? null : CLIENT_GONE,
    traceId: trace?.traceId ?? null,
    count: 1,
  };
}

const CLIENT_GONE = 'client_closed_request';

/** @returns the usage event of an attempt: its use and cost so far, and nothing of its content */
export function usageEventOf(
  { identity, controls, routing }: DispatchRequest,
  trace: AttemptTrace,
  facts: UsageFacts,
): UsageEvent {
  const { principal } = identity;
  const { usage } = trace;
  return {
    id: facts.id,
    tenant: principal.tenant,
    requestId: identity.id,
    at: facts.at,
    keyId: principal.keyId,
    member: principal.member ?? null,
    model: routing.modelLabel ?? 'unknown',
    provider: trace.provider,
    upstreamModel: trace.model,
    operation: identity.operation,
    tags: controls.tags,
    status: facts.status,
    outcome: facts.outcome,
    requests: facts.requests,
    inputTokens: usage?.inputTokens ?? 0,
    outputTokens: usage?.outputTokens ?? 0,
    cachedTokens: usage?.cachedInputTokens ?? 0,
    cacheWriteTokens: usage?.cacheWriteTokens ?? 0,
    reasoningTokens: usage?.reasoningTokens ?? 0,
    costPico: trace.costPico ?? null,
    ...(trace.outputCostPico ? { outputCostPico: trace.outputCostPico } : {}),
    estimated: trace.estimated ?? false,
    durationMs: facts.durationMs,
    ...(trace.promptSavedPico === undefined ? {} : { promptSavedPico: trace.promptSavedPico }),
    firstEventMs: trace.firstEventAt === undefined ? null : Math.round(trace.firstEventAt - trace.startedAt),
    ...(facts.request ? { request: facts.request } : {}),
    ...(controls.client === undefined ? {} : { client: controls.client }),
  };
}
