import {
  avg,
  matching,
  max,
  min,
  not,
  quantile,
  rate,
  ratio,
  select,
  share,
  sum,
  type Vector,
} from './promql.ts';
import type { Runbook } from './runbooks.ts';

/** `critical` pages a person at once; `warning` is handled within a working day; `info` is a message. */
export type Severity = 'critical' | 'warning' | 'info';

export interface Alert {
  readonly name: string;
  readonly expression: string;
  /** How long the expression must hold, such as `5m`. */
  readonly for: string;
  readonly severity: Severity;
  /** One line; Prometheus replaces `{{ $labels.model }}`. */
  readonly summary: string;
  readonly description: string;
  readonly runbook: Runbook;
  /** The dashboard to open. */
  readonly dashboard: string;
}

export interface RecordingRule {
  readonly record: string;
  readonly expression: string;
}

const WEIR = { job: 'weir' };
const FAILED = { status: matching('5..') };
const failures = (window: string) => rate('llm_requests_total', FAILED, window);
const requests = (window: string) => rate('llm_requests_total', {}, window);
const errorRatio = <By extends 'model' | 'provider'>(window: string, ...by: readonly By[]): Vector<By> =>
  share(sum(failures(window), ...by), sum(requests(window), ...by));

/** Series that alerts compare over days: they are kept, and cheap to read at an offset. */
export const RECORDING_RULES: readonly RecordingRule[] = [
  {
    record: 'weir:tokens:rate1h',
    expression: String(sum(rate('llm_tokens_total', { direction: matching('input|output') }, '1h'), 'model')),
  },
  {
    record: 'weir:quota_used:ratio',
    expression: String(max(select('llm_quota_used_ratio'), 'tenant', 'quota')),
  },
];

/** The gateway that sees the most recent backup counts. */
const backupAge = min(select('weir_backup_age_seconds'));
const backupInterval = min(select('weir_backup_interval_seconds'));

const memoryOfContainers = { container: not('POD'), name: not('') };
const memoryLimit = `(${select('container_spec_memory_limit_bytes', memoryOfContainers)} > 0)`;

/** Traffic and errors of requests. */
const REQUEST_ALERTS: readonly Alert[] = [
  {
    name: 'HighErrorRate',
    expression: `${errorRatio('5m')} > 0.05`,
    for: '5m',
    severity: 'critical',
    summary: '{{ $value | humanizePercentage }} of all requests fail',
    description:
      'More than 5 % of the inference requests have failed with a status of 500 and above for 5 minutes.',
    runbook: 'high-error-rate',
    dashboard: 'gateway-overview',
  },
  {
    name: 'ErrorRateSpike',
    expression: `${errorRatio('2m', 'model', 'provider')} > 0.05`,
    for: '2m',
    severity: 'warning',
    summary:
      '{{ $value | humanizePercentage }} of the requests for {{ $labels.model }} at {{ $labels.provider }} fail',
    description: 'More than 5 % of the requests of one model have failed for 2 minutes.',
    runbook: 'error-rate-spike',
    dashboard: 'gateway-overview',
  },
  {
    name: 'HighLatency',
    expression: `${quantile(0.99, 'llm_request_duration_seconds', ['model'], {}, '5m')} > 10`,
    for: '10m',
    severity: 'warning',
    summary: 'p99 of {{ $labels.model }} is {{ $value | humanizeDuration }}',
    description:
      'The slowest 1 % of the requests of this model have taken more than 10 seconds for 10 minutes.',
    runbook: 'high-latency',
    dashboard: 'gateway-overview',
  },
  {
    name: 'UnusualTokenUsage',
    expression:
      '(weir:tokens:rate1h > 2 * (weir:tokens:rate1h offset 1w) ' +
      'or weir:tokens:rate1h < 0.5 * (weir:tokens:rate1h offset 1w)) ' +
      'and (weir:tokens:rate1h > 10 or weir:tokens:rate1h offset 1w > 10) ' +
      // A model without a request since its gateways started has no series.
      'or (weir:tokens:rate1h offset 1w > 10) unless weir:tokens:rate1h',
    for: '15m',
    severity: 'info',
    summary: 'The tokens of {{ $labels.model }} differ from those in the same hour last week',
    description:
      'The tokens of the last hour are more than twice, or less than half of those in the same hour last week. Models below 10 tokens per second are ignored.',
    runbook: 'unusual-token-usage',
    dashboard: 'business',
  },
];

/** Providers, engines, GPUs. */
const BACKEND_ALERTS: readonly Alert[] = [
  {
    name: 'ProviderUnhealthy',
    expression: `${min(select('llm_provider_healthy'), 'provider')} == 0`,
    for: '1m',
    severity: 'critical',
    summary: 'Provider {{ $labels.provider }} is unhealthy',
    description: 'Its health check has failed, or no target of it has been available, for a minute.',
    runbook: 'provider-unhealthy',
    dashboard: 'provider-health',
  },
  {
    name: 'BackendUnhealthy',
    // A half-open breaker has not recovered: without it, the time would start again at each probe.
    expression:
      `${min(select('llm_target_healthy'), 'provider', 'upstream_model')} == 0 ` +
      `or ${max(select('llm_circuit_breaker_state'), 'provider', 'upstream_model')} > 0`,
    for: '2m',
    severity: 'warning',
    summary: '{{ $labels.upstream_model }} at {{ $labels.provider }} is unhealthy',
    description:
      'This target has been down or ejected, or its circuit breaker open or half-open, for 2 minutes.',
    runbook: 'backend-unhealthy',
    dashboard: 'provider-health',
  },
  {
    name: 'GpuMemoryHigh',
    expression: `${ratio(
      max(select('llm_gpu_memory_used_bytes'), 'node', 'gpu'),
      max(select('llm_gpu_memory_total_bytes'), 'node', 'gpu'),
    )} > 0.9`,
    for: '5m',
    severity: 'warning',
    summary:
      'GPU {{ $labels.gpu }} of {{ $labels.node }} has {{ $value | humanizePercentage }} of its memory in use',
    description: 'More than 90 % of the memory of a GPU have been in use for 5 minutes.',
    runbook: 'gpu-memory-high',
    dashboard: 'gpu',
  },
];

/** Queue, limits, quotas and budgets. */
const LIMIT_ALERTS: readonly Alert[] = [
  {
    name: 'QueueDepthHigh',
    expression: `${sum(select('llm_queue_depth'))} > 100`,
    for: '1m',
    severity: 'warning',
    summary: '{{ $value }} requests wait for a target',
    description: 'More than 100 requests have been in the admission queues for a minute.',
    runbook: 'queue-depth-high',
    dashboard: 'queue-limits',
  },
  {
    name: 'RateLimitRejections',
    expression: `${sum(rate('llm_rate_limit_exceeded_total', {}, '1m'), 'scope')} * 60 > 100`,
    for: '1m',
    severity: 'warning',
    summary: 'Limits of scope {{ $labels.scope }} reject {{ $value | humanize }} requests a minute',
    description: 'More than 100 requests a minute have been rejected by limits of one kind of owner.',
    runbook: 'rate-limit-rejections',
    dashboard: 'queue-limits',
  },
  {
    name: 'QuotaExceeded',
    expression: 'weir:quota_used:ratio >= 1',
    for: '1m',
    severity: 'warning',
    summary: 'Tenant {{ $labels.tenant }} has exhausted {{ $labels.quota }}',
    description: 'Its requests get 429 `quota_exceeded` until the period ends or the limit is raised.',
    runbook: 'quota-exceeded',
    dashboard: 'tenant-usage',
  },
  {
    name: 'BudgetBurn',
    expression:
      '(predict_linear(weir:quota_used:ratio{quota="cost_per_month"}[6h], 86400) > 1 ' +
      'or predict_linear(weir:quota_used:ratio{quota="cost_per_day"}[1h], 7200) > 1) ' +
      'and weir:quota_used:ratio < 1',
    for: '15m',
    severity: 'warning',
    summary: 'The budget {{ $labels.quota }} of tenant {{ $labels.tenant }} runs out soon',
    description:
      'At the present rate, a monthly budget is exhausted within a day, or a daily budget within two hours.',
    runbook: 'budget-burn',
    dashboard: 'cost',
  },
];

/** The most important first: of a gateway that loses several, the alert shows the first. */
export const LOSSES = [
  'weir_usage_events_lost_total',
  'weir_audit_entries_lost_total',
  'weir_responses_lost_total',
  'weir_logged_requests_lost_total',
  'weir_log_lines_lost_total',
  'weir_trace_spans_lost_total',
] as const;

/** Gateways, stores and machines. */
const PLATFORM_ALERTS: readonly Alert[] = [
  {
    name: 'PodDown',
    expression: `${select('up', WEIR)} == 0 or absent(${select('up', WEIR)})`,
    for: '2m',
    severity: 'critical',
    summary: 'Gateway {{ $labels.instance }} is down',
    description: 'Prometheus has not been able to scrape this gateway for 2 minutes.',
    runbook: 'pod-down',
    dashboard: 'operations',
  },
  {
    name: 'PodNotReady',
    expression: `${select('kube_pod_status_ready', { condition: 'true', pod: matching('weir.*') })} == 0`,
    for: '5m',
    severity: 'warning',
    summary: 'Pod {{ $labels.pod }} is not ready',
    description:
      'The pod has received no traffic for 5 minutes: it does not start, or its readiness check fails.',
    runbook: 'pod-not-ready',
    dashboard: 'infrastructure',
  },
  {
    name: 'RedisDown',
    expression: `${select('redis_up')} == 0 or ${max(select('llm_limit_store_lost'))} == 1`,
    for: '1m',
    severity: 'critical',
    summary: 'Redis is down, or a gateway cannot reach it',
    description:
      'Each gateway enforces its share of the shared limits; limits that fail closed reject requests.',
    runbook: 'redis-down',
    dashboard: 'redis-cache',
  },
  {
    name: 'PostgresqlDown',
    expression: `${select('pg_up')} == 0`,
    for: '1m',
    severity: 'critical',
    summary: 'PostgreSQL {{ $labels.instance }} is down',
    description: 'Inference continues; administration fails, and usage waits on the local disks.',
    runbook: 'postgresql-down',
    dashboard: 'infrastructure',
  },
  {
    name: 'RegionDown',
    expression: `${min(select('weir_region_up'), 'region')} == 0`,
    for: '1m',
    severity: 'critical',
    summary: 'Region {{ $labels.region }} is down',
    description: 'Its tenants fail over where they allow it; requests of the others are rejected with 503.',
    runbook: 'region-down',
    dashboard: 'infrastructure',
  },
  {
    name: 'HighMemoryUsage',
    expression:
      `${select('container_memory_working_set_bytes', memoryOfContainers)} / ${memoryLimit} > 0.9 ` +
      `or ${ratio(select('process_resident_memory_bytes', WEIR), select('process_memory_limit_bytes', WEIR))} > 0.9 ` +
      `or 1 - ${ratio(select('node_memory_MemAvailable_bytes'), select('node_memory_MemTotal_bytes'))} > 0.9`,
    for: '5m',
    severity: 'warning',
    summary: '{{ $labels.instance }} {{ $labels.pod }} uses {{ $value | humanizePercentage }} of its memory',
    description: 'A container, a gateway or a node has used more than 90 % of its memory for 5 minutes.',
    runbook: 'high-memory-usage',
    dashboard: 'infrastructure',
  },
  {
    name: 'HighCpuUsage',
    expression:
      `1 - ${avg(rate('node_cpu_seconds_total', { mode: 'idle' }, '5m'), 'instance')} > 0.9 ` +
      `or ${rate('process_cpu_seconds_total', WEIR, '5m')} > 0.9`,
    for: '10m',
    severity: 'warning',
    summary: '{{ $labels.instance }} has {{ $value | humanizePercentage }} of its CPU in use',
    description:
      'A node, or the one core that a gateway uses for requests, has been busy for more than 90 % for 10 minutes.',
    runbook: 'high-cpu-usage',
    dashboard: 'infrastructure',
  },
  {
    name: 'StorageWriteFailing',
    expression: `${max(select('weir_storage_write_failing'), 'instance', 'area')} == 1`,
    for: '1m',
    severity: 'critical',
    summary: 'The disk of {{ $labels.instance }} rejects writes ({{ $labels.area }})',
    description: 'Inference continues; administration fails, and usage stays in memory.',
    runbook: 'storage-write-failing',
    dashboard: 'operations',
  },
  {
    name: 'BackupOverdue',
    expression: `${backupAge} > 2 * ${backupInterval} ` + `or (${backupInterval} unless ${backupAge})`,
    for: '5m',
    severity: 'warning',
    summary: 'The latest backup is older than two intervals, or there is none',
    description:
      'The schedule that makes backups has stopped or fails, or gateways cannot read the location: a loss now would lose all changes since the latest backup.',
    runbook: 'backup-overdue',
    dashboard: 'operations',
  },
  {
    name: 'TelemetryLoss',
    expression: LOSSES.map((name) => `${sum(rate(name, {}, '5m'), 'instance')} > 0`).join(' or '),
    for: '5m',
    severity: 'warning',
    summary: 'Gateway {{ $labels.instance }} loses telemetry',
    description:
      'Usage events, audit entries, stored responses, logged requests, log lines or trace spans have been lost for 5 minutes.',
    runbook: 'telemetry-loss',
    dashboard: 'operations',
  },
];

export const ALERTS: readonly Alert[] = [
  ...REQUEST_ALERTS,
  ...BACKEND_ALERTS,
  ...LIMIT_ALERTS,
  ...PLATFORM_ALERTS,
];

/** Objectives of availability, in percent, each with rules of its own. */
export const OBJECTIVES = ['99.9', '99.99'] as const;
export type Objective = (typeof OBJECTIVES)[number];

/** Windows over which the failed share of requests is recorded. */
const SLO_WINDOWS = ['5m', '30m', '1h', '2h', '6h', '1d', '3d'] as const;

export const SLO_RECORDING_RULES: readonly RecordingRule[] = SLO_WINDOWS.map((window) => ({
  record: `weir:slo_errors:ratio_rate${window}`,
  expression: String(errorRatio(window)),
}));

/**
 * Burn rates of Google's SRE workbook: the factor at which the error budget of 30 days is used up. The short window ends
 * the alert soon after the failures end.
 *
 * @see https://sre.google/workbook/alerting-on-slos/#6-multiwindow-multi-burn-rate-alerts
 */
export function sloAlerts(objective: Objective): readonly Alert[] {
  const budget = Number((1 - Number(objective) / 100).toFixed(6));
  const burns = (long: string, short: string, factor: number) =>
    `(weir:slo_errors:ratio_rate${long} > ${factor} * ${budget} and weir:slo_errors:ratio_rate${short} > ${factor} * ${budget})`;
  return [
    {
      name: 'SloBurnRateFast',
      expression: `${burns('1h', '5m', 14.4)} or ${burns('6h', '30m', 6)}`,
      for: '2m',
      severity: 'critical',
      summary: `The error budget of ${objective} % runs out within days`,
      description:
        'Requests fail so often that 2 % of the error budget of 30 days are used in an hour, or 5 % in 6 hours.',
      runbook: 'slo-burn-rate-fast',
      dashboard: 'gateway-overview',
    },
    {
      name: 'SloBurnRateSlow',
      expression: `${burns('1d', '2h', 3)} or ${burns('3d', '6h', 1)}`,
      for: '15m',
      severity: 'warning',
      summary: `The error budget of ${objective} % is used up before the end of its 30 days`,
      description:
        'Requests fail so often that 10 % of the error budget of 30 days are used in one or three days.',
      runbook: 'slo-burn-rate-slow',
      dashboard: 'gateway-overview',
    },
  ];
}

/** @returns every alert that a Prometheus with this objective has */
export const allAlerts = (objective: Objective = '99.9'): readonly Alert[] => [
  ...ALERTS,
  ...sloAlerts(objective),
];
