import type { MetricFamilies } from '../metric-families.ts';
import { STEP_BUCKETS } from './buckets.ts';

/** What guardrails decided, found and cost. `direction` is `input` or `output`. */
export function guardrailFamilies(families: MetricFamilies) {
  families.section('Guardrails');
  return {
    results: families.counter(
      'llm_guardrail_results_total',
      'Checks by guardrails, by what they did: `allow`, `error`, or the action of the guardrail.',
      ['guardrail', 'direction', 'action'],
    ),
    duration: families.histogram(
      'llm_guardrail_duration_seconds',
      'Time of the checks of one request by a guardrail, without those of streams.',
      ['guardrail', 'direction'],
      STEP_BUCKETS,
    ),
    errors: families.counter(
      'llm_guardrail_errors_total',
      'Checks that a guardrail could not make: `timeout`, `unavailable`, `invalid_response` or `failed`.',
      ['guardrail', 'reason'],
    ),
    findings: families.counter(
      'llm_guardrail_findings_total',
      'What guardrails found, by kind; `stage` is `input` or `output`.',
      ['guardrail', 'stage', 'action', 'kind'],
      // The configuration names kinds too.
      ['kind'],
    ),
  };
}
