import type { JoinedTrace } from '../dispatch/attempt-trace.ts';
import { costOf } from '../metering/cost.ts';
import type { ModelOverrides } from '../metering/model-data.ts';
import { dollarsOfPico } from '../metering/price.ts';
import type { Prices } from '../metering/prices.ts';
import type { Target } from '../providers/types.ts';
import type { SemanticTrace } from './cache-trace.ts';
import type { GuardrailCheck } from './guardrail-run.ts';
import type { RequestRecord } from './request-record.ts';

const ms = (from: number, to: number | undefined) =>
  to === undefined ? undefined : Math.round((to - from) * 10) / 10;

/**
 * Explains the routing of a request: the targets that were evaluated, why some were left out, and every attempt.
 * @returns the JSON document; times are milliseconds from the start of the request, costs US dollars: of each attempt, and
 * for the reported usage at each target that could have answered, at the tenant's prices when the request arrived
 */
export function explain(record: RequestRecord, prices: Pick<Prices, 'of'>) {
  const { startedAt, usage, outcome, tenant, at, isBatch } = record;
  const costAt = (target: Target, facts: ModelOverrides | undefined) => {
    const price = usage && prices.of(target, facts, { tenant, at, isBatch });
    return price && costOf(price, usage);
  };
  return {
    id: record.id,
    tenant: record.tenant,
    model: record.model,
    route: record.route,
    stream: record.stream,
    at: new Date(record.at).toISOString(),
    status: record.status,
    outcome: outcome?.kind ?? 'answering',
    ...(outcome?.kind === 'failed' ? { error: outcome.error.code, reason: outcome.error.message } : {}),
    variant: record.variant,
    ...(record.checks.length > 0
      ? { checks: record.checks.map((check) => explainCheck(check, startedAt)) }
      : {}),
    ...(record.semantic ? { semantic_cache: explainSemantic(record.semantic) } : {}),
    queued_ms: ms(0, record.queuedMs),
    loading_ms: ms(0, record.loadingMs),
    first_event_ms: ms(startedAt, record.committedAt),
    duration_ms: ms(startedAt, record.endedAt),
    ...(record.usageEstimated ? { usage_estimated: true } : {}),
    looks: record.decisions.map(({ model, reason, strategy, at: decidedAt, facts, evaluated }) => ({
      model,
      because: reason,
      strategy,
      at_ms: ms(startedAt, decidedAt),
      targets: evaluated.map(({ target, exclusion, inflight, timePerTokenMs, engine }) => ({
        provider: target.provider.id,
        model: target.model,
        key: target.provider.account,
        ...(exclusion === undefined ? {} : { left_out: exclusion }),
        in_flight: inflight,
        ms_per_token: timePerTokenMs === undefined ? undefined : Math.round(timePerTokenMs * 100) / 100,
        ...(engine
          ? {
              engine: { waiting: engine.waiting, running: engine.running, cache_usage: engine.cacheUsage },
            }
          : {}),
        cost_usd: costAt(target, facts),
      })),
    })),
    ...(record.refusedModels.length === 0
      ? {}
      : {
          not_allowed: record.refusedModels.map(({ model, reason }) => ({ model, because: reason })),
        }),
    attempts: record.attempts.map(
      ({
        provider,
        model,
        account,
        startedAt: began,
        firstEventAt,
        endedAt,
        failure,
        hedge,
        rejected,
        continued,
        estimated,
        joined,
        usage: own,
        costPico,
      }) => ({
        provider,
        model,
        key: account,
        at_ms: ms(startedAt, began),
        first_event_ms: ms(startedAt, firstEventAt),
        ended_ms: ms(startedAt, endedAt),
        ...(hedge === undefined ? {} : { hedge }),
        ...(rejected === undefined ? {} : { rejected }),
        ...(continued ? { continued } : {}),
        ...(estimated ? { estimated } : {}),
        ...(joined ? { joined: explainJoined(joined) } : {}),
        ...(own ? { input_tokens: own.inputTokens, output_tokens: own.outputTokens } : {}),
        ...(own && typeof costPico === 'number' ? { cost_usd: dollarsOfPico(costPico) } : {}),
        ...(failure ? { error: failure.code, reason: failure.message } : {}),
      }),
    ),
  };
}

function explainJoined({ requests, inputs, wasRepeatedAlone }: JoinedTrace) {
  return { requests, inputs, ...(wasRepeatedAlone ? { repeated_alone: true } : {}) };
}

function explainSemantic({ result, similarity, requestId, reason, detail }: SemanticTrace) {
  return {
    result,
    ...(similarity === undefined ? {} : { similarity: Math.round(similarity * 1_000) / 1_000 }),
    ...(requestId === undefined ? {} : { matched_request: requestId }),
    ...(reason === undefined ? {} : { reason }),
    ...(detail === undefined ? {} : { detail }),
  };
}

export type Explanation = ReturnType<typeof explain>;

function explainCheck({ startedAt, durationMs, ...check }: GuardrailCheck, from: number) {
  return { ...check, at_ms: ms(from, startedAt), duration_ms: ms(0, durationMs) };
}
