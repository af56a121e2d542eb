import type { MetricFamilies } from '../metric-families.ts';

/** Other regions of the installation, as this process sees them. */
export function regionFamilies(families: MetricFamilies) {
  families.section('Regions');
  return {
    up: families.gauge(
      'weir_region_up',
      '1 while the health checks of another region succeed, 0 after they have failed too often.',
      ['region'],
      'smallest',
    ),
    latency: families.gauge(
      'weir_region_latency_seconds',
      'Duration of the last successful health check of another region.',
      ['region'],
      'largest',
    ),
    requests: families.counter(
      'weir_region_requests_total',
      'Requests of tenants whose home region, the label, is another one, by action: `served` in its place, `forwarded`, `rejected` with the right address, `unavailable`.',
      ['region', 'action'],
    ),
  };
}
