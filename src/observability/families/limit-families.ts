import type { MetricFamilies } from '../metric-families.ts';

/** Limits, quotas and budgets. */
export function limitFamilies(families: MetricFamilies) {
  families.section('Limits and money');
  return {
    rejected: families.counter('llm_rate_limit_exceeded_total', 'Requests rejected by a limit.', ['scope']),
    passed: families.counter(
      'llm_limit_passed_total',
      'Requests over a limit that does not reject them, by mode: `warn` or `shadow`.',
      ['scope', 'mode'],
    ),
    quotaUsed: families.gauge(
      'llm_quota_used_ratio',
      'Used part of a tenant’s quota or budget at its last request, such as `tokens_per_day` and `cost_per_month`; 1 is all of it.',
      ['tenant', 'quota'],
    ),
    burstUsed: families.gauge(
      'llm_burst_used_ratio',
      'Used part of the burst of a tenant’s rate, such as `requests_per_minute`, at its last request; at 1, further requests get 429.',
      ['tenant', 'quota'],
    ),
    cost: families.counter('llm_cost_usd_total', 'Cost of requests, in US dollars.', ['model', 'tenant']),
    reservationsLost: families.counter(
      'llm_reservations_lost_total',
      'Reservations that a crashed gateway never settled, released by another.',
      [],
    ),
    storeLost: families.gauge(
      'llm_limit_store_lost',
      '1 while the shared limit store is unreachable; 0 otherwise.',
      [],
    ),
  };
}
