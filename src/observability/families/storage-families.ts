import type { MetricFamilies } from '../metric-families.ts';
import { STEP_BUCKETS } from './buckets.ts';

/** Databases and the local disk. */
export function storageFamilies(families: MetricFamilies) {
  families.section('Storage');
  return {
    duration: families.histogram(
      'weir_storage_operation_duration_seconds',
      'Time of a statement of the main thread, by `backend` (`sqlite`, `postgres`) and `operation` (`read`, `write`).',
      ['backend', 'operation'],
      STEP_BUCKETS,
    ),
    size: families.gauge(
      'weir_storage_size_bytes',
      'Size of local files, by area: `databases` (SQLite), `usage_journal`, `other` files of the data folder.',
      ['area'],
    ),
    failing: families.gauge(
      'weir_storage_write_failing',
      '1 while the local disk rejects writes, 0 otherwise, by area: `database` (SQLite), `usage_journal`, `engine_ledger`.',
      ['area'],
    ),
    backupAge: families.gauge(
      'weir_backup_age_seconds',
      'Time since the latest complete backup of `storage.backups` began; absent where none is found.',
      [],
    ),
    backupInterval: families.gauge(
      'weir_backup_interval_seconds',
      'The time from one backup to the next, `storage.backups.interval`; absent without `storage.backups`.',
      [],
    ),
    secretReads: families.counter(
      'weir_secret_reads_total',
      'Reads of secrets that the configuration refers to, by `scheme` (`vault`, `aws-sm`, `file` and others) and `result` (`ok`, `failed`).',
      ['scheme', 'result'],
    ),
    secretsStale: families.gauge(
      'weir_secrets_stale',
      'Secret references whose latest read failed, so that an older value is in use, by `scheme`.',
      ['scheme'],
    ),
    secretAge: families.gauge(
      'weir_secrets_age_seconds',
      'Time since the oldest secret in use was read, by `scheme`.',
      ['scheme'],
    ),
    deleted: families.counter(
      'weir_retention_deleted_total',
      'Deleted data whose retention has passed: events and sums of `usage`, entries of `audit` trails, `responses`.',
      ['kind'],
    ),
  };
}
