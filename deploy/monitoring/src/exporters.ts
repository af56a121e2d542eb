/**
 * Metrics of the exporters in `docker-compose.monitoring.yml`, with the labels that queries may use.
 *
 * @see https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md
 * @see https://github.com/kubernetes/kube-state-metrics/tree/main/docs
 * @see https://github.com/NVIDIA/dcgm-exporter
 */
export const EXPORTER_METRICS = {
  // Prometheus
  up: [],
  ALERTS: ['alertname', 'alertstate', 'severity', 'model', 'provider', 'tenant'],
  // node exporter
  node_cpu_seconds_total: ['cpu', 'mode'],
  node_load1: [],
  node_memory_MemAvailable_bytes: [],
  node_memory_MemTotal_bytes: [],
  node_filesystem_avail_bytes: ['device', 'fstype', 'mountpoint'],
  node_filesystem_size_bytes: ['device', 'fstype', 'mountpoint'],
  node_network_receive_bytes_total: ['device'],
  node_network_transmit_bytes_total: ['device'],
  node_disk_io_time_seconds_total: ['device'],
  // cAdvisor
  container_cpu_usage_seconds_total: ['name', 'namespace', 'pod', 'container'],
  container_memory_working_set_bytes: ['name', 'namespace', 'pod', 'container'],
  container_spec_memory_limit_bytes: ['name', 'namespace', 'pod', 'container'],
  container_network_receive_bytes_total: ['name', 'namespace', 'pod', 'interface'],
  container_network_transmit_bytes_total: ['name', 'namespace', 'pod', 'interface'],
  // kube-state-metrics
  kube_pod_status_ready: ['namespace', 'pod', 'condition'],
  kube_pod_container_status_restarts_total: ['namespace', 'pod', 'container'],
  kube_pod_container_status_waiting_reason: ['namespace', 'pod', 'container', 'reason'],
  // Redis exporter
  redis_up: [],
  redis_connected_clients: [],
  redis_memory_used_bytes: [],
  redis_memory_max_bytes: [],
  redis_commands_processed_total: [],
  redis_keyspace_hits_total: [],
  redis_keyspace_misses_total: [],
  redis_evicted_keys_total: [],
  // PostgreSQL exporter
  pg_up: [],
  pg_stat_activity_count: ['datname', 'state'],
  pg_stat_database_xact_commit: ['datname'],
  pg_stat_database_xact_rollback: ['datname'],
  pg_stat_database_blks_hit: ['datname'],
  pg_stat_database_blks_read: ['datname'],
  pg_database_size_bytes: ['datname'],
  pg_settings_max_connections: [],
  // DCGM exporter
  DCGM_FI_DEV_GPU_UTIL: ['gpu', 'Hostname', 'modelName'],
  DCGM_FI_DEV_XID_ERRORS: ['gpu', 'Hostname', 'modelName'],
} as const;
