import { type Dashboard, graph, stat } from '../panel.ts';
import { avg, max, rate, ratio, select, sum } from '../promql.ts';

const usedMemory = ratio(
  max(select('llm_gpu_memory_used_bytes'), 'node', 'gpu'),
  max(select('llm_gpu_memory_total_bytes'), 'node', 'gpu'),
);

export const gpu: Dashboard = {
  id: 'gpu',
  title: 'GPU',
  description: 'Utilisation, memory and temperature of each GPU, and the load of the engines on them.',
  variables: [],
  rows: [
    {
      title: 'Now',
      panels: [
        stat('Fullest GPU', {
          description: 'Used share of GPU memory, of the GPU with the least left. Healthy: below 85 %.',
          unit: 'percentunit',
          runbook: 'gpu-memory-high',
          width: 6,
          queries: [[`max(${usedMemory})`, 'memory']],
          thresholds: [
            [0.85, 'yellow'],
            [0.9, 'red'],
          ],
        }),
        stat('Average utilisation', {
          description: 'Average over all GPUs.',
          unit: 'percent',
          runbook: 'high-latency',
          width: 6,
          queries: [[avg(select('llm_gpu_utilization_percent')), 'utilisation']],
        }),
        stat('Hottest GPU', {
          description: 'Above 85 °C, most GPUs lower their clock.',
          unit: 'celsius',
          runbook: 'high-latency',
          width: 6,
          queries: [[max(select('llm_gpu_temperature_celsius')), 'temperature']],
          thresholds: [
            [80, 'yellow'],
            [85, 'red'],
          ],
        }),
        stat('Xid errors', {
          description: 'GPUs whose driver reported an error. Not 0: read the kernel log of the node.',
          unit: 'none',
          runbook: 'gpu-out-of-memory',
          width: 6,
          queries: [[`sum(${select('DCGM_FI_DEV_XID_ERRORS')} > bool 0)`, 'GPUs']],
          thresholds: [[1, 'red']],
        }),
      ],
    },
    {
      title: 'GPUs',
      panels: [
        graph('Utilisation', {
          description:
            'Share of time in which the GPU computes. Low with waiting requests: the engine’s batch is too small.',
          unit: 'percent',
          runbook: 'high-latency',
          queries: [[max(select('llm_gpu_utilization_percent'), 'node', 'gpu'), '{{node}} {{gpu}}']],
        }),
        graph('Memory', {
          description:
            'Used share of GPU memory. Engines reserve most of it at their start (`--gpu-memory-utilization`).',
          unit: 'percentunit',
          runbook: 'gpu-memory-high',
          queries: [[usedMemory, '{{node}} {{gpu}}']],
          thresholds: [[0.9, 'red']],
        }),
        graph('Memory in bytes', {
          description: 'Used memory.',
          unit: 'bytes',
          runbook: 'gpu-memory-high',
          queries: [[max(select('llm_gpu_memory_used_bytes'), 'node', 'gpu'), '{{node}} {{gpu}}']],
        }),
        graph('Temperature', {
          description: 'Above 85 °C, most GPUs lower their clock.',
          unit: 'celsius',
          runbook: 'high-latency',
          queries: [[max(select('llm_gpu_temperature_celsius'), 'node', 'gpu'), '{{node}} {{gpu}}']],
          thresholds: [[85, 'red']],
        }),
        graph('Power', {
          description: 'Power draw. At the limit of the card, the clock is lowered.',
          unit: 'watt',
          runbook: 'high-latency',
          queries: [[max(select('llm_gpu_power_watts'), 'node', 'gpu'), '{{node}} {{gpu}}']],
        }),
        graph('Utilisation by DCGM', {
          description: 'Utilisation as the DCGM exporter reports it, also for GPUs that Weir does not know.',
          unit: 'percent',
          runbook: 'high-latency',
          queries: [[max(select('DCGM_FI_DEV_GPU_UTIL'), 'Hostname', 'gpu'), '{{Hostname}} {{gpu}}']],
        }),
      ],
    },
    {
      title: 'Engines',
      panels: [
        graph('Requests in engines', {
          description: 'Requests that engines compute, and those that they queue.',
          unit: 'none',
          runbook: 'high-latency',
          queries: [
            [max(select('llm_engine_requests_running'), 'provider'), '{{provider}} running'],
            [max(select('llm_engine_requests_waiting'), 'provider'), '{{provider}} waiting'],
          ],
        }),
        graph('KV cache', {
          description: 'Used part of the engine’s KV cache. Near 100 %, the engine preempts requests.',
          unit: 'percentunit',
          runbook: 'gpu-out-of-memory',
          queries: [[max(select('llm_engine_kv_cache_used_ratio'), 'provider'), '{{provider}}']],
          thresholds: [[0.95, 'red']],
        }),
        graph('Prefix cache', {
          description: 'Part of the prompt tokens that the engine had in its prefix cache since its start.',
          unit: 'percentunit',
          runbook: 'high-latency',
          queries: [[max(select('llm_engine_prefix_cache_hit_ratio'), 'provider'), '{{provider}}']],
        }),
        graph('Engine failures per hour', {
          description: 'Times an engine did not start, exited or had to be killed.',
          unit: 'none',
          runbook: 'gpu-out-of-memory',
          width: 12,
          queries: [[`${sum(rate('weir_engine_failures_total'), 'engine')} * 3600`, '{{engine}}']],
          thresholds: [[1, 'red']],
        }),
        graph('Metrics that could not be read', {
          description: 'Metrics of engines, DCGM exporters and `nvidia-smi` that Weir could not read.',
          unit: 'ops',
          runbook: 'gpu-out-of-memory',
          width: 12,
          queries: [[sum(rate('weir_scrape_errors_total'), 'source', 'reason'), '{{source}}: {{reason}}']],
        }),
      ],
    },
  ],
};
