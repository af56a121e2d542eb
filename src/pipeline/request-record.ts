import type { RefusedModel } from '../core/model-scope.ts';
import type { Usage } from '../core/usage.ts';
import type { AttemptTrace } from '../dispatch/attempt-trace.ts';
import type { DecisionFacts } from '../routing/routing-decision.ts';
import type { CacheTrace, SemanticTrace } from './cache-trace.ts';
import type { GuardrailCheck } from './guardrail-run.ts';
import type { Outcome, RequestContext } from './request-context.ts';

const NO_MODELS: readonly RefusedModel[] = [];
const NOTHING: readonly string[] = [];
const NO_CHECKS: readonly GuardrailCheck[] = [];

/** How the cache took part in a request. */
export type CacheUse = Pick<CacheTrace, 'status' | 'kind'>;

/** @returns undefined for a request that the cache took no part in */
export function cacheUseOf({ cache }: RequestContext): CacheUse | undefined {
  return cache && { status: cache.status, kind: cache.kind };
}

/** What is kept of a request for its explanation. It holds nothing of the prompt or the response. */
export interface RequestRecord {
  readonly id: string;
  readonly tenant: string;
  readonly keyId: string;
  /** Id of the member that the key belongs to. */
  readonly member: string | undefined;
  readonly traceId: string | undefined;
  readonly cache: CacheUse | undefined;
  /** What guardrails found and did, in words. */
  readonly guardrails: readonly string[];
  /** What each guardrail decided, in their order. */
  readonly checks: readonly GuardrailCheck[];
  readonly model: string | undefined;
  readonly route: string;
  readonly stream: boolean;
  /** It asked for the rate of batches. */
  readonly isBatch: boolean;
  /** The variant of an experiment that answered. */
  readonly variant: string | undefined;
  readonly queuedMs: number;
  readonly loadingMs: number;
  /** Unix milliseconds. */
  readonly at: number;
  /** Monotonic milliseconds, as all times below. */
  readonly startedAt: number;
  readonly committedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly status: number | undefined;
  readonly outcome: Outcome | undefined;
  readonly decisions: readonly DecisionFacts[];
  /** Models that the request did not reach because its key may not use them. */
  readonly refusedModels: readonly RefusedModel[];
  readonly attempts: readonly AttemptTrace[];
  readonly usage: Usage | undefined;
  /** A part of the usage is an estimate. */
  readonly usageEstimated: boolean;
  /** What the semantic cache found. */
  readonly semantic: SemanticTrace | undefined;
}

/**
 * @param now monotonic milliseconds
 * @param wallTime the same moment in Unix milliseconds
 */
export function recordOf(request: RequestContext, now: number, wallTime: number): RequestRecord {
  const { identity, controls, timing, upstream: routing, usage, response, outcome } = request;
  const { startedAt, committedAt } = timing;
  return {
    id: identity.id,
    tenant: identity.principal.tenant,
    keyId: identity.principal.keyId,
    member: identity.principal.member,
    traceId: request.trace?.traceId,
    cache: cacheUseOf(request),
    guardrails: request.guardrails?.summary ?? NOTHING,
    checks: request.guardrails?.checks ?? NO_CHECKS,
    model: controls.model,
    route: identity.route,
    stream: controls.stream,
    isBatch: controls.isBatch,
    variant: routing.plan?.participation?.variant,
    queuedMs: routing.queuedMs,
    loadingMs: routing.loadingMs,
    at: wallTime - (now - startedAt),
    startedAt,
    committedAt,
    endedAt: outcome ? now : undefined,
    status: response.status,
    outcome,
    decisions: routing.plan?.decisions ?? [],
    refusedModels: routing.modelScope?.refused ?? NO_MODELS,
    attempts: routing.attempts,
    usage: usage.usage,
    usageEstimated: usage.estimated,
    semantic: request.semantic,
  };
}
