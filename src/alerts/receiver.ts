import { ALERT_SEVERITIES, type AlertReceiverType, type AlertSeverity } from '../core/alert.ts';
import type { Alert } from './alert.ts';

/** What a receiver is, with its secrets. Never shown. */
export interface Receiver {
  readonly id: string;
  /** Null for a receiver of the platform. */
  readonly tenant: string | null;
  readonly name: string;
  readonly type: AlertReceiverType;
  /** Contains a secret for Slack and Teams. */
  readonly url: string | null;
  readonly secret: string | null;
  readonly to: readonly string[];
  readonly severity: AlertSeverity;
  /** Ids of rules; empty for all. */
  readonly rules: readonly string[];
  readonly resolved: boolean;
  /** Of the platform's: whether it receives alerts of tenants, too. */
  readonly tenants: boolean;
  /** `config` for a receiver of the configuration, which the admin API does not change. */
  readonly source: 'config' | 'api';
}

/** @returns whether a receiver gets messages about an alert */
export function receives(receiver: Receiver, alert: Alert): boolean {
  if (receiver.tenant !== null && receiver.tenant !== alert.tenant) return false;
  if (receiver.tenant === null && alert.tenant !== null && !receiver.tenants) return false;
  if (receiver.rules.length > 0 && !receiver.rules.includes(alert.rule)) return false;
  return ALERT_SEVERITIES.indexOf(alert.severity) >= ALERT_SEVERITIES.indexOf(receiver.severity);
}

/** @returns a URL without what may be a secret: its origin */
export function shownUrl(url: string): string {
  return URL.canParse(url) ? `${new URL(url).origin}/…` : '…';
}
