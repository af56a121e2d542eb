/** How urgent an alert is, the least urgent first. */
export const ALERT_SEVERITIES = ['info', 'warning', 'critical'] as const;
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number];

/** What rules watch. */
export const ALERT_KINDS = [
  'limit_used',
  'error_rate',
  'unusual_use',
  'latency',
  'rejections',
  'spend_pace',
  'target_unavailable',
  'provider_unavailable',
  'queue_depth',
  'engine_failed',
  'storage_failing',
  'backup_overdue',
  'export_failing',
] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** What a rule of a kind with several metrics measures. */
export const ALERT_METRICS = [
  'latency_p95',
  'latency_p99',
  'ttft_p95',
  'ttft_p99',
  'tokens',
  'requests',
  'cost',
] as const;
export type AlertMetric = (typeof ALERT_METRICS)[number];

export const ALERT_RECEIVER_TYPES = ['webhook', 'email', 'slack', 'pagerduty', 'teams'] as const;
export type AlertReceiverType = (typeof ALERT_RECEIVER_TYPES)[number];

/** Names by which silences match alerts. */
export const ALERT_LABELS = [
  'rule',
  'kind',
  'severity',
  'subject',
  'model',
  'provider',
  'key',
  'tenant',
] as const;
export type AlertLabel = (typeof ALERT_LABELS)[number];

/** Kinds whose state is that of gateways, and which no tenant has. */
export const PLATFORM_ALERT_KINDS: readonly AlertKind[] = [
  'target_unavailable',
  'provider_unavailable',
  'queue_depth',
  'engine_failed',
  'storage_failing',
  'backup_overdue',
  'export_failing',
];

/** Kinds that the platform has no alerts of: they concern tenants. */
export const TENANT_ALERT_KINDS: readonly AlertKind[] = [
  'limit_used',
  'unusual_use',
  'rejections',
  'spend_pace',
];

interface BuiltInRule {
  readonly id: string;
  readonly kind: AlertKind;
  readonly severity: AlertSeverity;
  readonly above?: number;
}

/** Rules that are on unless the configuration or a tenant turns them off. */
export const BUILT_IN_ALERT_RULES: readonly BuiltInRule[] = [
  { id: 'limit_near', kind: 'limit_used', severity: 'warning', above: 80 },
  { id: 'limit_reached', kind: 'limit_used', severity: 'critical', above: 100 },
  { id: 'spend_pace', kind: 'spend_pace', severity: 'warning' },
  { id: 'error_rate', kind: 'error_rate', severity: 'critical' },
  { id: 'unusual_use', kind: 'unusual_use', severity: 'info' },
  { id: 'latency', kind: 'latency', severity: 'warning' },
  { id: 'rejections', kind: 'rejections', severity: 'warning' },
  { id: 'target_unavailable', kind: 'target_unavailable', severity: 'warning' },
  { id: 'provider_unavailable', kind: 'provider_unavailable', severity: 'critical' },
  { id: 'queue_depth', kind: 'queue_depth', severity: 'warning' },
  { id: 'engine_failed', kind: 'engine_failed', severity: 'warning' },
  { id: 'storage_failing', kind: 'storage_failing', severity: 'critical' },
  { id: 'backup_overdue', kind: 'backup_overdue', severity: 'warning' },
  { id: 'export_failing', kind: 'export_failing', severity: 'warning' },
];
