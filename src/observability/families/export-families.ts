import type { MetricFamilies } from '../metric-families.ts';

/** Exports of usage. */
export function exportFamilies(families: MetricFamilies) {
  families.section('Exports');
  return {
    sent: families.counter('weir_export_records_total', 'Records that receivers of exports acknowledged.', [
      'export',
    ]),
    dropped: families.counter(
      'weir_export_records_dropped_total',
      'Records that a receiver never accepts, and that were left out.',
      ['export'],
    ),
    failures: families.counter(
      'weir_export_failures_total',
      'Batches that a receiver did not take; they are sent again.',
      ['export'],
    ),
    lag: families.gauge(
      'weir_export_lag_seconds',
      'How old a record was at the last attempt: the newest acknowledged one, or the oldest one of a batch that failed.',
      ['export'],
    ),
  };
}
