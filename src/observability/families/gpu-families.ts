import type { MetricFamilies } from '../metric-families.ts';

const LABELS = ['gpu', 'node'] as const;
const ENGINE = ['provider'] as const;

/** GPUs of this machine and of configured exporters, and what engines report of themselves. */
export function gpuFamilies(families: MetricFamilies) {
  families.section('GPUs and engines');
  return {
    utilization: families.gauge('llm_gpu_utilization_percent', 'Time that a GPU computes, 0 to 100.', LABELS),
    memoryUsed: families.gauge('llm_gpu_memory_used_bytes', 'Used memory of a GPU.', LABELS),
    memoryTotal: families.gauge('llm_gpu_memory_total_bytes', 'Memory of a GPU.', LABELS),
    temperature: families.gauge('llm_gpu_temperature_celsius', 'Temperature of a GPU.', LABELS),
    power: families.gauge('llm_gpu_power_watts', 'Power that a GPU draws.', LABELS),
    info: families.gauge('llm_gpu_info', 'GPUs and their product names; always 1.', [
      ...LABELS,
      'product',
    ] as const),
    engineRunning: families.gauge(
      'llm_engine_requests_running',
      'Requests that an engine computes, as its own metrics say.',
      ENGINE,
    ),
    engineWaiting: families.gauge(
      'llm_engine_requests_waiting',
      'Requests that an engine queues, as its own metrics say.',
      ENGINE,
    ),
    engineCacheUsage: families.gauge(
      'llm_engine_kv_cache_used_ratio',
      'Used part of an engine’s KV cache, 0 to 1.',
      ENGINE,
    ),
    enginePrefixHits: families.gauge(
      'llm_engine_prefix_cache_hit_ratio',
      'Part of the prompt tokens that an engine had in its prefix cache since its start, 0 to 1.',
      ENGINE,
    ),
    engineLoaded: families.gauge(
      'weir_engine_loaded',
      '1 while an engine started on demand is ready, 0 otherwise.',
      ['engine'],
    ),
    engineLoads: families.counter('weir_engine_loads_total', 'Times an engine became ready.', ['engine']),
    engineFailures: families.counter(
      'weir_engine_failures_total',
      'Times an engine did not start, exited or had to be killed.',
      ['engine'],
    ),
    scrapeErrors: families.counter(
      'weir_scrape_errors_total',
      'Metrics of engines, DCGM exporters and `nvidia-smi` that could not be read: `unreachable`, `timeout`, `status`, `too_large`, `malformed` (the readable part counts).',
      ['source', 'reason'],
    ),
  };
}
