import type { Tone } from '../ui/feedback.tsx';

/** Objects of the alert API, as `/openapi.json` describes them. */
export interface Alert {
  readonly id: string;
  readonly tenant: string | null;
  readonly rule: string;
  readonly kind: string;
  readonly subject: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly severity: 'info' | 'warning' | 'critical';
  readonly state: 'pending' | 'firing' | 'resolved';
  readonly summary: string;
  readonly value: number;
  readonly threshold: number | null;
  readonly unit: string;
  readonly since: string;
  readonly fired_at: string | null;
  readonly resolved_at: string | null;
  readonly recurrences: number;
  readonly silenced_by: string | null;
  readonly runbook: string;
}

export interface Silence {
  readonly id: string;
  readonly matchers: readonly { readonly label: string; readonly value: string; readonly not: boolean }[];
  readonly starts_at: string;
  readonly ends_at: string;
  readonly is_active: boolean;
  readonly comment: string;
  readonly created_by_name: string;
}

export interface AlertRule {
  readonly id: string;
  readonly source: 'built_in' | 'config' | 'platform' | 'tenant';
  readonly kind: string;
  readonly enabled: boolean;
  readonly severity: Alert['severity'];
  readonly above: number;
  readonly unit: string;
  readonly metric: string;
  readonly model: string | null;
  readonly window: string;
  readonly for: string;
  readonly keep_firing: string;
  readonly min_requests: number;
}

export interface Receiver {
  readonly id: string;
  readonly source: 'config' | 'api';
  readonly name: string;
  readonly type: 'webhook' | 'email' | 'slack' | 'pagerduty' | 'teams';
  readonly url: string | null;
  readonly to: readonly string[];
  readonly enabled: boolean;
  readonly severity: Alert['severity'];
  readonly failing_since: string | null;
  readonly last_error: string | null;
}

/** @returns the path of alerts of a tenant, or of the installation; a part of it with `part` */
export function alertsPath(tenant: string | undefined, part = 'alerts'): string {
  return tenant === undefined
    ? `/admin/v1/${part}`
    : `/admin/v1/tenants/${encodeURIComponent(tenant)}/${part}`;
}

export const SEVERITY_TONES: Readonly<Record<Alert['severity'], Tone>> = {
  info: 'neutral',
  warning: 'warn',
  critical: 'bad',
};

/** @returns matchers as people read them: `rule = latency, model ≠ fast*` */
export function matchersText(matchers: Silence['matchers']): string {
  return matchers.map(({ label, value, not }) => `${label} ${not ? '≠' : '='} ${value}`).join(', ');
}
