/** Pages of docs/runbooks, without `.md`: one for each alert, and further ones. */
export const RUNBOOKS = [
  'backend-failure',
  'backend-unhealthy',
  'backup-overdue',
  'budget-burn',
  'cluster-loss',
  'error-rate-spike',
  'gpu-memory-high',
  'gpu-out-of-memory',
  'high-cpu-usage',
  'high-error-rate',
  'high-latency',
  'high-memory-usage',
  'pod-down',
  'pod-not-ready',
  'pods-do-not-start',
  'postgresql-down',
  'provider-unhealthy',
  'queue-depth-high',
  'quota-exceeded',
  'rate-limit-rejections',
  'redis-down',
  'region-down',
  'region-loss',
  'slo-burn-rate-fast',
  'slo-burn-rate-slow',
  'storage-write-failing',
  'telemetry-loss',
  'unusual-token-usage',
  'zone-loss',
] as const;

export type Runbook = (typeof RUNBOOKS)[number];

/** Where the runbook pages are served; `docker-compose.monitoring.yml` serves them here. */
export const DEFAULT_RUNBOOK_URL = 'http://localhost:8090';

/** @param base without a slash at the end */
export const runbookUrl = (runbook: Runbook, base: string): string => `${base}/${runbook}.md`;
