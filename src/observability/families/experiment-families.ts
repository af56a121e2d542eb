import type { MetricFamilies } from '../metric-families.ts';
import { DURATION_BUCKETS } from './buckets.ts';

const VARIANT = ['model', 'variant'] as const;
const SIDE = ['model', 'mirror', 'side'] as const;

/** Splits, canaries and mirrors. */
export function experimentFamilies(families: MetricFamilies) {
  families.section('Experiments');
  return {
    variantRequests: families.counter(
      'weir_variant_requests_total',
      'Requests of models with a split or a canary, by variant.',
      [...VARIANT, 'outcome'] as const,
    ),
    variantDuration: families.histogram(
      'weir_variant_duration_seconds',
      'Time from a request of a variant to the end of its response.',
      VARIANT,
      DURATION_BUCKETS,
    ),
    variantFirst: families.histogram(
      'weir_variant_time_to_first_token_seconds',
      'Time from a streaming request of a variant to its first event.',
      VARIANT,
      DURATION_BUCKETS,
    ),
    variantTokens: families.counter(
      'weir_variant_output_tokens_total',
      'Output tokens of a variant, as reported by providers.',
      VARIANT,
    ),
    variantCost: families.counter(
      'weir_variant_cost_usd_total',
      'Cost of a variant’s requests, in US dollars.',
      VARIANT,
    ),
    canaryActive: families.gauge(
      'weir_canary_active',
      '1 while a canary gets requests, 0 after it was withdrawn or stopped.',
      ['model'],
    ),
    mirrorRequests: families.counter(
      'weir_mirror_requests_total',
      'Mirrored requests by outcome; `skipped` when too many were in flight.',
      ['model', 'mirror', 'outcome'],
    ),
    mirrorDuration: families.histogram(
      'weir_mirror_duration_seconds',
      'Time to the end of the response: of the client’s request (`side` is `primary`) and of its copy (`mirror`).',
      SIDE,
      DURATION_BUCKETS,
    ),
    mirrorFirst: families.histogram(
      'weir_mirror_time_to_first_token_seconds',
      'Time to the first event, or to the end of a plain response, of either side.',
      SIDE,
      DURATION_BUCKETS,
    ),
    mirrorTokens: families.counter('weir_mirror_output_tokens_total', 'Output tokens of either side.', SIDE),
    mirrorCost: families.counter('weir_mirror_cost_usd_total', 'Cost of either side, in US dollars.', SIDE),
    mirrorFinish: families.counter(
      'weir_mirror_finish_total',
      'Pairs of responses, by whether both have the same finish reason.',
      ['model', 'mirror', 'same'],
    ),
  };
}
