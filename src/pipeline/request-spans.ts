import { GEN_AI_OPERATIONS } from '../core/gen-ai-operations.ts';
import type { AttemptTrace } from '../dispatch/attempt-trace.ts';
import {
  type Attributes,
  SPAN_KIND,
  type SpanEvent,
  type SpanRecord,
} from '../observability/tracing/span.ts';
import { genAiProviderName } from '../providers/gen-ai-provider-name.ts';
import type { Outcome, RequestContext } from './request-context.ts';
import type { RequestTrace } from './request-trace.ts';
import { costSoFar } from './usage-meter.ts';

/**
 * The spans of a request: itself, its interceptors up to where each passes it on, the wait for a slot and for an engine,
 * and each attempt.
 * @param endedAt monotonic milliseconds
 * @param toWall what makes Unix milliseconds of monotonic ones
 */
export function spansOf(
  request: RequestContext,
  trace: RequestTrace,
  outcome: Outcome,
  endedAt: number,
  toWall: number,
): SpanRecord[] {
  const { traceId, traceState, isSampled, spanId, parent } = trace;
  const common = { traceId, traceState, isSampled, events: [] };
  const child = { ...common, parentSpanId: spanId, hasRemoteParent: false };
  const { startedAt } = request.timing;
  const internal = (name: string, from: number, to: number, attributes: Attributes = {}): SpanRecord => ({
    ...child,
    ...{ spanId: trace.newSpanId(), name, kind: SPAN_KIND.internal, attributes, error: undefined },
    ...{ startMs: from + toWall, endMs: Math.max(from, to) + toWall },
  });
  const spans: SpanRecord[] = [
    {
      ...common,
      spanId,
      parentSpanId: parent?.spanId,
      hasRemoteParent: parent !== undefined,
      name: `POST ${request.identity.route}`,
      kind: SPAN_KIND.server,
      startMs: startedAt + toWall,
      endMs: endedAt + toWall,
      attributes: requestAttributes(request, outcome),
      error: outcome.kind === 'failed' ? outcome.error.message : undefined,
      events: requestEvents(request, toWall),
    },
  ];
  const { upstream: routing } = request;
  const firstAttemptAt = routing.attempts[0]?.startedAt;
  trace.stages.forEach(({ name, at }, index) => {
    const next = trace.stages[index + 1]?.at ?? firstAttemptAt ?? endedAt;
    spans.push(internal(name, at, Math.min(next, endedAt)));
  });
  if (firstAttemptAt !== undefined) {
    const { queuedMs, loadingMs } = routing;
    if (queuedMs > 0)
      spans.push(internal('queue', firstAttemptAt - loadingMs - queuedMs, firstAttemptAt - loadingMs));
    if (loadingMs > 0) spans.push(internal('engine start', firstAttemptAt - loadingMs, firstAttemptAt));
  }
  for (const { guardrail, version, direction, outcome, score, findings, startedAt: at, durationMs } of request
    .guardrails?.checks ?? []) {
    spans.push(
      internal(`guardrail ${guardrail}`, at, Math.min(at + durationMs, endedAt), {
        'weir.guardrail.id': guardrail,
        'weir.guardrail.version': version,
        'weir.guardrail.direction': direction,
        'weir.guardrail.outcome': outcome,
        'weir.guardrail.score': score,
        'weir.guardrail.findings': Object.entries(findings).map(([kind, count]) => `${kind} ${count}`),
      }),
    );
  }
  for (const [index, attempt] of routing.attempts.entries()) {
    spans.push({
      ...child,
      spanId: attempt.spanId ?? trace.newSpanId(),
      name: `${GEN_AI_OPERATIONS[request.identity.operation]} ${attempt.model}`,
      kind: SPAN_KIND.client,
      startMs: attempt.startedAt + toWall,
      endMs: (attempt.endedAt ?? endedAt) + toWall,
      attributes: attemptAttributes(request, attempt, index),
      error: attempt.failure?.message,
      events: attempt.firstEventAt === undefined ? [] : [event('first event', attempt.firstEventAt + toWall)],
    });
  }
  return spans;
}

function event(name: string, atMs: number, attributes: Attributes = {}): SpanEvent {
  return { name, atMs, attributes };
}

function requestEvents({ timing: { committedAt } }: RequestContext, toWall: number): SpanEvent[] {
  return committedAt === undefined ? [] : [event('first event', committedAt + toWall)];
}

function requestAttributes(request: RequestContext, outcome: Outcome): Attributes {
  const { identity, controls, response, usage, cache, upstream: routing } = request;
  const cost = usage.usage === undefined ? undefined : costSoFar(request);
  return {
    'http.request.method': 'POST',
    'http.route': identity.route,
    'http.response.status_code': response.status,
    'client.address': identity.address,
    'error.type': outcome.kind === 'failed' ? outcome.error.code : undefined,
    'gen_ai.operation.name': GEN_AI_OPERATIONS[identity.operation],
    'gen_ai.request.model': controls.model,
    'gen_ai.usage.input_tokens': usage.usage?.inputTokens,
    'gen_ai.usage.output_tokens': usage.usage?.outputTokens,
    'gen_ai.response.finish_reasons': usage.finishReason === undefined ? undefined : [usage.finishReason],
    'weir.request_id': identity.id,
    'weir.tenant': identity.principal.tenant,
    'weir.key': identity.principal.keyId,
    'weir.user': identity.principal.member,
    'weir.outcome': outcome.kind,
    'weir.stream': controls.stream,
    'weir.attempts': routing.attemptCount,
    'weir.cache': cache?.status,
    'weir.cost_usd': cost === undefined ? undefined : Number(cost),
    'weir.tags': controls.tags.length > 0 ? controls.tags : undefined,
  };
}

function attemptAttributes(request: RequestContext, attempt: AttemptTrace, index: number): Attributes {
  const { target, usage, failure, finishReason } = attempt;
  const address = addressOf(target?.provider.baseUrl);
  return {
    'gen_ai.operation.name': GEN_AI_OPERATIONS[request.identity.operation],
    'gen_ai.provider.name': target ? genAiProviderName(target.provider) : attempt.provider,
    'gen_ai.request.model': attempt.model,
    'gen_ai.usage.input_tokens': usage?.inputTokens,
    'gen_ai.usage.output_tokens': usage?.outputTokens,
    'gen_ai.response.finish_reasons': finishReason === undefined ? undefined : [finishReason],
    'server.address': address?.hostname,
    'server.port': address?.port,
    'http.response.status_code': failure?.upstreamStatus,
    'error.type': failure?.code,
    'weir.provider': attempt.provider,
    'weir.attempt': index + 1,
    'weir.attempt.outcome': attempt.outcome,
    'weir.attempt.hedge': attempt.hedge,
    'weir.attempt.part': attempt.part,
    'weir.attempt.joined_requests': attempt.joined?.requests,
    'weir.attempt.responded': request.routing.respondedBy === attempt,
  };
}

function addressOf(
  baseUrl: string | undefined,
): { readonly hostname: string; readonly port: number } | undefined {
  if (baseUrl === undefined || !URL.canParse(baseUrl)) return undefined;
  const { hostname, port, protocol } = new URL(baseUrl);
  return { hostname, port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port) };
}
