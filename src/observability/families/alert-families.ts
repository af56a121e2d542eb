import type { MetricFamilies } from '../metric-families.ts';

/** Built-in alerts; only the gateway that evaluates them has values. */
export function alertFamilies(families: MetricFamilies) {
  families.section('Alerts');
  return {
    firing: families.gauge('weir_alerts_firing', 'Built-in alerts that fire, by rule and severity.', [
      'rule',
      'severity',
    ]),
    transitions: families.counter(
      'weir_alert_transitions_total',
      'Built-in alerts that began (`fired`) or ended (`resolved`), by rule.',
      ['rule', 'event'],
    ),
    messages: families.counter(
      'weir_alert_messages_total',
      'Attempts to send messages about alerts, by type of receiver and outcome: `delivered`, `retried`, `failed`.',
      ['receiver', 'outcome'],
    ),
    evaluatedAt: families.gauge(
      'weir_alert_evaluation_timestamp_seconds',
      'Unix time of the last evaluation by this gateway.',
      [],
    ),
  };
}
