import type { MetricFamilies } from '../metric-families.ts';

/** Seconds: 0.01 doubling to 81.92. */
const TIME_BUCKETS = Array.from({ length: 14 }, (_, power) => 2 ** power / 100);
/** Tokens: powers of 4, as the conventions say. */
const TOKEN_BUCKETS = Array.from({ length: 14 }, (_, power) => 4 ** power);

const ATTRIBUTES = {
  gen_ai_operation_name: 'gen_ai.operation.name',
  gen_ai_provider_name: 'gen_ai.provider.name',
  gen_ai_request_model: 'gen_ai.request.model',
  gen_ai_token_type: 'gen_ai.token.type',
  error_type: 'error.type',
} as const;

const LABELS = ['gen_ai_operation_name', 'gen_ai_provider_name', 'gen_ai_request_model'] as const;

/**
 * The histograms of OpenTelemetry's GenAI conventions, with the names that its Prometheus exporter makes of them. `client`
 * is Weir as the client of a provider, for each attempt; `server` is Weir as the server of a request.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
 */
export function genAiFamilies(families: MetricFamilies) {
  families.section('OpenTelemetry GenAI conventions');
  return {
    operationDuration: families.histogram(
      'gen_ai_client_operation_duration_seconds',
      'Time of an attempt at a provider; `error_type` is empty for one that succeeded.',
      [...LABELS, 'error_type'] as const,
      TIME_BUCKETS,
      { name: 'gen_ai.client.operation.duration', unit: 's', attributes: ATTRIBUTES },
    ),
    tokenUsage: families.histogram(
      'gen_ai_client_token_usage',
      'Tokens of an attempt, as the provider reported them; `gen_ai_token_type` is `input` or `output`.',
      [...LABELS, 'gen_ai_token_type'] as const,
      TOKEN_BUCKETS,
      { name: 'gen_ai.client.token.usage', unit: '{token}', attributes: ATTRIBUTES },
    ),
    timeToFirstToken: families.histogram(
      'gen_ai_server_time_to_first_token_seconds',
      'Time from a streaming request to its first event.',
      LABELS,
      TIME_BUCKETS,
      { name: 'gen_ai.server.time_to_first_token', unit: 's', attributes: ATTRIBUTES },
    ),
    timePerOutputToken: families.histogram(
      'gen_ai_server_time_per_output_token_seconds',
      'Time per output token of a stream, after the first token.',
      LABELS,
      TIME_BUCKETS,
      { name: 'gen_ai.server.time_per_output_token', unit: 's', attributes: ATTRIBUTES },
    ),
  };
}
