import type { MetricFamilies } from '../metric-families.ts';
import { DURATION_BUCKETS, OVERHEAD_BUCKETS, PER_TOKEN_BUCKETS } from './buckets.ts';

const PAIR = ['model', 'provider'] as const;

/** Inference requests, from the client's side. */
export function inferenceFamilies(families: MetricFamilies) {
  families.section('Inference');
  return {
    requests: families.counter(
      'llm_requests_total',
      'Inference requests; `status` is the HTTP status, or that of the failure that ended a stream; `stream` is `true` or `false`.',
      [...PAIR, 'status', 'tier', 'stream'] as const,
    ),
    requestDuration: families.histogram(
      'llm_request_duration_seconds',
      'Time from an inference request to the end of its response.',
      [...PAIR, 'stream'] as const,
      DURATION_BUCKETS,
    ),
    timeToFirstToken: families.histogram(
      'llm_time_to_first_token_seconds',
      'Time from a streaming request to its first event.',
      PAIR,
      DURATION_BUCKETS,
    ),
    timePerOutputToken: families.histogram(
      'llm_time_per_output_token_seconds',
      'Time per output token of a stream, after the first token.',
      PAIR,
      PER_TOKEN_BUCKETS,
    ),
    tokens: families.counter(
      'llm_tokens_total',
      'Tokens, as reported by providers; `direction` is `input`, `output`, `cached` (a part of the input) or `reasoning` (a part of the output).',
      ['model', 'direction'],
    ),
    tokensGenerated: families.counter(
      'llm_tokens_generated_total',
      'Output tokens, as reported by providers.',
      ['model'],
    ),
    tokensPerSecond: families.gauge(
      'llm_tokens_per_second',
      'Output tokens per second of all requests together, over the last minute.',
      ['model'],
    ),
    overhead: families.histogram(
      'llm_gateway_overhead_seconds',
      'Time from a request to its first attempt: the time that Weir adds.',
      ['route'],
      OVERHEAD_BUCKETS,
    ),
    tenantRequests: families.counter('llm_tenant_requests_total', 'Inference requests by tenant.', [
      'tenant',
      'status',
    ]),
    tenantTokens: families.counter(
      'llm_tenant_tokens_total',
      'Tokens by tenant, as reported by providers; `direction` as in `llm_tokens_total`.',
      ['tenant', 'direction'],
    ),
    activeUsers: families.gauge(
      'llm_active_users',
      'Members and service accounts that sent a request to this gateway within the `window`: `5m`, `1h`, `24h`. A key without a member counts as one.',
      ['window'],
    ),
    activeTenants: families.gauge(
      'llm_active_tenants',
      'Tenants that sent a request to this gateway within the `window`.',
      ['window'],
    ),
    modelInfo: families.gauge('llm_model_info', 'Configured models and their providers; always 1.', PAIR),
  };
}

/** Providers and the admission queue. */
export function providerFamilies(families: MetricFamilies) {
  families.section('Providers and queue');
  return {
    requests: families.counter('llm_provider_requests_total', 'Attempts sent to providers.', ['provider']),
    errors: families.counter('llm_provider_errors_total', 'Attempts that failed.', ['provider', 'code']),
    latency: families.histogram(
      'llm_provider_latency_seconds',
      'Time from sending an attempt to its first event, or to the end of a plain response.',
      ['provider'],
      DURATION_BUCKETS,
    ),
    healthy: families.gauge(
      'llm_provider_healthy',
      '1 while a provider is usable, 0 while its health check fails or no target of it is available.',
      ['provider'],
      'smallest',
    ),
    targetHealthy: families.gauge(
      'llm_target_healthy',
      '1 while a target of a configured model takes requests, 0 while it is down, ejected, or its circuit breaker is open.',
      ['provider', 'upstream_model'],
      'smallest',
    ),
    breakerState: families.gauge(
      'llm_circuit_breaker_state',
      'Circuit breakers of targets, of the operation that is worst off: 0 closed, 1 half-open, 2 open.',
      ['provider', 'upstream_model'],
    ),
    queueDepth: families.gauge('llm_queue_depth', 'Requests in the admission queue.', ['priority']),
    queueWait: families.histogram(
      'llm_queue_wait_seconds',
      'Time in the admission queue, of requests that left it for a target.',
      ['priority'],
      DURATION_BUCKETS,
    ),
    joinedCalls: families.counter(
      'llm_joined_calls_total',
      'Upstream calls for several requests for embeddings (`micro_batch`); `result` is `done`, `rejected` (each request was sent again alone), `failed` or `cancelled`.',
      ['model', 'result'],
    ),
    joinedRequests: families.counter(
      'llm_joined_requests_total',
      'Requests for embeddings whose upstream call was one for several requests.',
      ['model'],
    ),
    queueRejected: families.counter(
      'llm_queue_rejected_total',
      'Requests rejected because no target had a free slot in time.',
      ['priority'],
    ),
  };
}
