import type { Kysely } from 'kysely';
import type { SubjectLimits } from '../core/limit.ts';
import type { SqlAlertUsage } from '../storage/sql/alert-usage.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { SqlMetricStore } from '../storage/sql/metric-store.ts';
import type { AuditEntry } from '../storage/sql/tenant-tables.ts';
import type { Sources } from '../tenancy/change-context.ts';
import type { AlertSettings } from './alert-settings.ts';
import type { MessageSender } from './message-sender.ts';
import type { Receivers } from './receivers.ts';
import type { Rules } from './rules.ts';
import type { Silences } from './silences.ts';

/** What the admin API and commands use of alerts. */
export interface Alerts {
  readonly control: Kysely<ControlTables>;
  readonly settings: () => AlertSettings;
  readonly rules: Rules;
  readonly silences: Silences;
  readonly receivers: Receivers;
  readonly sender: Pick<MessageSender, 'attempt'>;
  readonly usage: SqlAlertUsage;
  readonly metrics: Pick<SqlMetricStore, 'sums' | 'times'>;
  readonly limitsIn: (tenant: string) => readonly SubjectLimits[];
  readonly keyName: (tenant: string, key: string) => string;
  readonly sources: Sources;
  readonly audit: (tenant: string | null, entry: AuditEntry) => Promise<void>;
}
