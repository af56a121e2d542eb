import { isDeepStrictEqual } from 'node:util';
import type { Config } from './schema.ts';

interface FixedKey {
  readonly name: string;
  readonly read: (config: Config) => unknown;
}

/** The keys that are read once, when the process starts. */
const FIXED_KEYS: readonly FixedKey[] = [
  { name: 'server.host', read: (config) => config.server.host },
  { name: 'server.port', read: (config) => config.server.port },
  { name: 'server.metrics_port', read: (config) => config.server.metrics_port },
  { name: 'server.grpc_port', read: (config) => config.server.grpc_port },
  { name: 'server.workers', read: (config) => config.server.workers },
  { name: 'region', read: (config) => config.region },
  { name: 'server.tls', read: (config) => config.server.tls },
  { name: 'log.files', read: (config) => config.log.files },
  { name: 'storage.data_dir', read: (config) => config.storage.data_dir },
  { name: 'storage.database_url', read: (config) => config.storage.database_url },
  { name: 'storage.replica_url', read: (config) => config.storage.replica_url },
  { name: 'storage.database_ca', read: (config) => config.storage.database_ca },
  { name: 'storage.database_cert', read: (config) => config.storage.database_cert },
  { name: 'storage.database_key', read: (config) => config.storage.database_key },
  { name: 'storage.servers', read: (config) => config.storage.servers },
  { name: 'storage.connect_timeout', read: (config) => config.storage.connect_timeout },
  { name: 'storage.max_connections', read: (config) => config.storage.max_connections },
  { name: 'storage.keep_usage', read: (config) => config.storage.keep_usage },
  { name: 'storage.redis_url', read: (config) => config.storage.redis_url },
  { name: 'storage.redis_replica_url', read: (config) => config.storage.redis_replica_url },
  { name: 'storage.redis_ca', read: (config) => config.storage.redis_ca },
  { name: 'storage.redis_cert', read: (config) => config.storage.redis_cert },
  { name: 'storage.redis_key', read: (config) => config.storage.redis_key },
  { name: 'storage.redis_event_streams', read: (config) => config.storage.redis_event_streams },
  { name: 'storage.redis_prefix', read: (config) => config.storage.redis_prefix },
  { name: 'storage.redis_timeout', read: (config) => config.storage.redis_timeout },
  { name: 'cache.semantic.store', read: (config) => config.cache?.semantic?.store ?? null },
];

export const RESTART_KEYS: readonly string[] = FIXED_KEYS.map(({ name }) => name);

/** The keys that differ and take effect only after a restart. */
export function restartNeeded(old: Config, next: Config): string[] {
  return FIXED_KEYS.filter(({ read }) => !isDeepStrictEqual(read(old), read(next))).map(({ name }) => name);
}
