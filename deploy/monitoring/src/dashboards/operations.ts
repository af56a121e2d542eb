import { type Dashboard, graph, stat, table } from '../panel.ts';
import { increase, max, min, quantile, rate, select, sum } from '../promql.ts';

export const operations: Dashboard = {
  id: 'operations',
  title: 'Operations',
  description: 'The gateways as programs: restarts, memory, storage, telemetry, sign-in.',
  variables: ['instance'],
  rows: [
    {
      title: 'Now',
      panels: [
        stat('Youngest gateway', {
          description: 'Time since the last start of a gateway. Short without a deployment: it crashed.',
          unit: 's',
          runbook: 'pod-down',
          queries: [[`time() - ${max(select('process_start_time_seconds', { job: 'weir' }))}`, 'up for']],
        }),
        stat('Disk rejects writes', {
          description: 'Areas of local disks that reject writes.',
          unit: 'none',
          runbook: 'storage-write-failing',
          queries: [[sum(select('weir_storage_write_failing')), 'areas']],
          thresholds: [[1, 'red']],
        }),
        stat('Lost usage events', {
          description: 'Usage events lost in 24 hours: they are missing in reports and invoices.',
          unit: 'none',
          runbook: 'telemetry-loss',
          queries: [[sum(increase('weir_usage_events_lost_total', '24h')), 'lost']],
          thresholds: [[1, 'red']],
        }),
        stat('Lost spans', {
          description: 'Trace spans lost in 24 hours.',
          unit: 'none',
          runbook: 'telemetry-loss',
          queries: [[`${sum(increase('weir_trace_spans_lost_total', '24h'))} or vector(0)`, 'lost']],
          thresholds: [[1, 'yellow']],
        }),
        stat('Rejected configurations', {
          description: 'Configuration files that were rejected in 24 hours. The log names line and key.',
          unit: 'none',
          runbook: 'pods-do-not-start',
          queries: [
            [
              `${sum(increase('weir_config_reloads_total', '24h', { result: 'rejected' }))} or vector(0)`,
              'rejected',
            ],
          ],
          thresholds: [[1, 'yellow']],
        }),
        stat('Firing alerts', {
          description: 'Alerts of every severity that are firing.',
          unit: 'none',
          runbook: 'high-error-rate',
          queries: [[`count(${select('ALERTS', { alertstate: 'firing' })}) or vector(0)`, 'firing']],
          thresholds: [[1, 'orange']],
        }),
      ],
    },
    {
      title: 'Process',
      panels: [
        graph('CPU', {
          description: 'Cores in use by each gateway. A gateway’s request path uses one.',
          unit: 'none',
          runbook: 'high-cpu-usage',
          queries: [[rate('process_cpu_seconds_total', { job: 'weir' }), '{{instance}}']],
          thresholds: [[0.9, 'red']],
        }),
        graph('Memory', {
          description: 'Resident memory. It stays at its peak for about a minute after one.',
          unit: 'bytes',
          runbook: 'high-memory-usage',
          queries: [[select('process_resident_memory_bytes', { job: 'weir' }), '{{instance}}']],
        }),
        graph('Event-loop delay', {
          description:
            'Longest wait for the main thread. `busy` counts only CPU time of the thread: if it is low, other processes have the core.',
          unit: 's',
          runbook: 'high-cpu-usage',
          queries: [
            [max(select('process_event_loop_delay_max_seconds'), 'instance'), '{{instance}} delay'],
            [max(select('process_event_loop_busy_max_seconds'), 'instance'), '{{instance}} busy'],
          ],
          thresholds: [[0.1, 'red']],
        }),
        graph('Open files', {
          description: 'Open files and sockets. Each request in flight needs two.',
          unit: 'none',
          runbook: 'high-memory-usage',
          queries: [[select('process_open_fds', { job: 'weir' }), '{{instance}}']],
        }),
        graph('Client connections', {
          description: 'Open connections of clients.',
          unit: 'none',
          runbook: 'high-memory-usage',
          queries: [[select('weir_http_connections'), '{{instance}}']],
        }),
        graph('Memory of requests', {
          description: 'Memory of request bodies, and of responses that wait for slow clients.',
          unit: 'bytes',
          runbook: 'high-memory-usage',
          queries: [
            [sum(select('weir_http_request_memory_bytes')), 'requests'],
            [sum(select('weir_http_unsent_bytes')), 'unsent'],
          ],
        }),
      ],
    },
    {
      title: 'Data and access',
      panels: [
        graph('Bytes in and out', {
          description: 'Bytes that clients sent and received, per second.',
          unit: 'Bps',
          runbook: 'high-latency',
          queries: [
            [sum(rate('weir_http_received_bytes_total')), 'received'],
            [sum(rate('weir_http_sent_bytes_total')), 'sent'],
          ],
        }),
        graph('Storage latency p99', {
          description: 'Time of a database statement of the main thread.',
          unit: 's',
          runbook: 'postgresql-down',
          queries: [
            [
              quantile(0.99, 'weir_storage_operation_duration_seconds', ['backend', 'operation']),
              '{{backend}} {{operation}}',
            ],
          ],
        }),
        graph('Local files', {
          description: 'Size of the data folder, by area.',
          unit: 'bytes',
          runbook: 'storage-write-failing',
          queries: [[sum(select('weir_storage_size_bytes'), 'area'), '{{area}}']],
        }),
        graph('Age of the latest backup', {
          description:
            'Time since the latest complete backup began, as the gateway knows that sees the most recent one.',
          unit: 's',
          runbook: 'backup-overdue',
          queries: [
            [min(select('weir_backup_age_seconds')), 'age'],
            [`2 * ${min(select('weir_backup_interval_seconds'))}`, 'alert'],
          ],
        }),
        graph('Pending usage events', {
          description: 'Usage events that are on the local disk only. Growing: the database is slow or down.',
          unit: 'none',
          runbook: 'postgresql-down',
          queries: [[select('llm_usage_events_pending'), '{{instance}}']],
          thresholds: [[100_000, 'red']],
        }),
        graph('Wrong credentials', {
          description: 'Requests with a wrong credential per second. `throttled`: too many from one address.',
          unit: 'reqps',
          runbook: 'rate-limit-rejections',
          queries: [
            [
              sum(rate('weir_auth_failures_total'), 'credential', 'throttled'),
              '{{credential}}, throttled: {{throttled}}',
            ],
          ],
        }),
        graph('Connections ended by limits', {
          description:
            'Connections and requests that a limit of the HTTP server ended, by the key of `limits`.',
          unit: 'reqps',
          runbook: 'rate-limit-rejections',
          queries: [[sum(rate('weir_http_limit_reached_total'), 'limit'), '{{limit}}']],
        }),
        graph('Spans', {
          description: 'Trace spans that the collector accepted, and lost ones by reason.',
          unit: 'ops',
          runbook: 'telemetry-loss',
          queries: [
            [sum(rate('weir_trace_spans_exported_total')), 'exported'],
            [sum(rate('weir_trace_spans_lost_total'), 'reason'), 'lost: {{reason}}'],
          ],
        }),
        graph('Guardrail actions', {
          description:
            'What guardrails did, by action: a rise of `block` after a change of rules blocks users.',
          unit: 'ops',
          runbook: 'high-error-rate',
          queries: [
            [
              sum(rate('llm_guardrail_results_total'), 'guardrail', 'direction', 'action'),
              '{{guardrail}} {{direction}}: {{action}}',
            ],
          ],
        }),
        graph('Guardrail duration p99', {
          description: 'Time that guardrails add to requests and responses.',
          unit: 's',
          runbook: 'high-latency',
          queries: [
            [
              quantile(0.99, 'llm_guardrail_duration_seconds', ['guardrail', 'direction']),
              '{{guardrail}} {{direction}}',
            ],
          ],
        }),
        graph('Guardrail findings', {
          description: 'Findings of guardrails by action and kind.',
          unit: 'ops',
          runbook: 'high-error-rate',
          queries: [
            [
              sum(rate('llm_guardrail_findings_total'), 'guardrail', 'action', 'kind'),
              '{{guardrail}}: {{kind}} {{action}}',
            ],
          ],
        }),
        table('Versions', {
          description: 'Gateways by version: more than one during an update.',
          unit: 'none',
          runbook: 'pod-not-ready',
          width: 8,
          queries: [[sum(select('weir_build_info'), 'version'), '{{version}}']],
        }),
      ],
    },
  ],
};
