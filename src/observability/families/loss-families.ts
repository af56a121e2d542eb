import type { CounterFamily, MetricFamilies } from '../metric-families.ts';

/** What a loss is of. */
export type LossKind = 'traces' | 'logs' | 'usage' | 'audit' | 'metrics' | 'responses' | 'request_log';

/** Telemetry that left, and telemetry that was lost. Requests never fail because of it. */
export function lossFamilies(families: MetricFamilies) {
  families.section('Telemetry and its losses');
  return {
    spansExported: families.counter(
      'weir_trace_spans_exported_total',
      'Spans that the collector accepted.',
      [],
    ),
    spansLost: families.counter(
      'weir_trace_spans_lost_total',
      'Spans that were lost: `queue_full`, `rejected` by the collector, or `unreachable`.',
      ['reason'],
    ),
    pointsExported: families.counter(
      'weir_metric_points_exported_total',
      'Values of metrics that the OpenTelemetry collector accepted.',
      [],
    ),
    pointsLost: families.counter(
      'weir_metric_points_lost_total',
      'Values of metrics that the collector did not get: `rejected`, `unreachable`, or `busy` (it was slower than the interval). Counters and histograms are cumulative: the next export contains them.',
      ['reason'],
    ),
    logLinesLost: families.counter(
      'weir_log_lines_lost_total',
      'Lines of the log that were lost: `stdout` when its reader was too slow, `files` when the disk did not accept them.',
      ['sink'],
    ),
    usagePending: families.gauge(
      'llm_usage_events_pending',
      'Usage events on the local disk that are not in a database yet.',
      [],
    ),
    usageLost: families.counter(
      'weir_usage_events_lost_total',
      'Usage events that were lost, because neither disk nor database accepted writes.',
      [],
    ),
    auditLost: families.counter(
      'weir_audit_entries_lost_total',
      'Entries of audit trails for inference requests and operations that could not be written: `queue_full` or `write_failed`. Changes of settings are never lost: without their entry they do not happen.',
      ['reason'],
    ),
    responsesLost: families.counter(
      'weir_responses_lost_total',
      'Responses with `store: true` that could not be written.',
      [],
    ),
    loggedLost: families.counter(
      'weir_logged_requests_lost_total',
      'Requests of tenants with a request log that could not be written.',
      [],
    ),
    auditSequence: families.gauge(
      'weir_audit_head_sequence',
      'Number of entries of an audit trail since its beginning.',
      ['tenant'],
    ),
    auditHash: families.gauge(
      'weir_audit_head_hash',
      'The first 12 hexadecimal digits of the hash of its last entry, as a number.',
      ['tenant'],
    ),
  };
}

export type LossFamilies = ReturnType<typeof lossFamilies>;

/** @returns the number of lost items of each kind since the start of the process */
export function lossesOf(families: LossFamilies): Readonly<Record<LossKind, number>> {
  const total = ({ total: sum }: Pick<CounterFamily<readonly string[]>, 'total'>) => sum();
  return {
    traces: total(families.spansLost),
    logs: total(families.logLinesLost),
    usage: total(families.usageLost),
    audit: total(families.auditLost),
    metrics: total(families.pointsLost),
    responses: total(families.responsesLost),
    request_log: total(families.loggedLost),
  };
}
