import type { MetricFamilies } from '../metric-families.ts';
import { STEP_BUCKETS } from './buckets.ts';

/** Plugins, by their id in the configuration. */
export function pluginFamilies(families: MetricFamilies) {
  families.section('Plugins');
  return {
    up: families.gauge(
      'weir_plugin_up',
      '1 while a plugin runs and its calls succeed, 0 otherwise.',
      ['plugin'],
      'smallest',
    ),
    calls: families.counter(
      'weir_plugin_calls_total',
      'Calls of plugins, by function and outcome: `ok`, `error`, `timeout`, `exit`, `invalid`, `too_large`, `unavailable`.',
      ['plugin', 'hook', 'outcome'],
    ),
    duration: families.histogram(
      'weir_plugin_call_duration_seconds',
      'Time of calls of plugins.',
      ['plugin', 'hook'],
      STEP_BUCKETS,
    ),
    memory: families.gauge('weir_plugin_memory_bytes', 'Resident memory of the process of a plugin.', [
      'plugin',
    ]),
    ends: families.counter(
      'weir_plugin_ends_total',
      'Times a plugin did not load or its process ended, by reason: `load`, `exited`, `memory`, `unresponsive`, `protocol`.',
      ['plugin', 'reason'],
    ),
    eventsDropped: families.counter(
      'weir_plugin_events_dropped_total',
      'Events that a plugin did not get, because it was too slow or failed.',
      ['plugin'],
    ),
    counts: families.counter('weir_plugin_count_total', 'What plugins count themselves.', ['plugin', 'name']),
  };
}
