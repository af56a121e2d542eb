import type { AlertRuleSettings } from '../config/alert-schema.ts';
import {
  ALERT_KINDS,
  type AlertKind,
  type AlertMetric,
  type AlertSeverity,
  BUILT_IN_ALERT_RULES,
  PLATFORM_ALERT_KINDS,
  TENANT_ALERT_KINDS,
} from '../core/alert.ts';

/** A rule with all of its settings. Times are milliseconds. */
export interface AlertRule {
  readonly id: string;
  readonly kind: AlertKind;
  readonly enabled: boolean;
  readonly severity: AlertSeverity;
  /** In the unit of the kind. */
  readonly above: number;
  readonly metric: AlertMetric;
  /** Null for every model. */
  readonly model: string | null;
  readonly windowMs: number;
  readonly forMs: number;
  readonly keepFiringMs: number;
  readonly minRequests: number;
}

interface KindDefaults {
  readonly above: number;
  readonly metric: AlertMetric;
  readonly windowMs: number;
  readonly forMs: number;
  readonly keepFiringMs: number;
  readonly minRequests: number;
  /** Of `above` and of values. */
  readonly unit: string;
  /** The page of `docs/runbooks`, without its extension. */
  readonly runbook: string;
}

const MINUTE = 60_000;
const state = { metric: 'requests', windowMs: 5 * MINUTE, keepFiringMs: 2 * MINUTE, minRequests: 1 } as const;

/** What a rule has that says nothing else. docs/alerts.md lists it. */
export const KIND_DEFAULTS: Readonly<Record<AlertKind, KindDefaults>> = {
  limit_used: { ...state, above: 80, forMs: 0, keepFiringMs: 0, unit: '%', runbook: 'quota-exceeded' },
  error_rate: {
    ...state,
    above: 5,
    forMs: 2 * MINUTE,
    minRequests: 20,
    unit: '%',
    runbook: 'high-error-rate',
  },
  unusual_use: {
    ...{ ...state, above: 2, forMs: 0, metric: 'tokens', minRequests: 20, keepFiringMs: 0 },
    ...{ unit: 'times', runbook: 'unusual-token-usage' },
  },
  latency: {
    ...{ ...state, above: 10_000, forMs: 5 * MINUTE, windowMs: 10 * MINUTE, metric: 'latency_p99' },
    ...{ minRequests: 20, unit: 'ms', runbook: 'high-latency' },
  },
  rejections: { ...state, above: 100, forMs: MINUTE, unit: 'requests/min', runbook: 'rate-limit-rejections' },
  spend_pace: {
    ...state,
    above: 100,
    forMs: 0,
    keepFiringMs: 60 * MINUTE,
    unit: '%',
    runbook: 'budget-burn',
  },
  target_unavailable: {
    ...state,
    above: 0,
    forMs: 2 * MINUTE,
    unit: 'gateways',
    runbook: 'backend-unhealthy',
  },
  provider_unavailable: {
    ...state,
    above: 0,
    forMs: MINUTE,
    unit: 'gateways',
    runbook: 'provider-unhealthy',
  },
  queue_depth: { ...state, above: 100, forMs: MINUTE, unit: 'requests', runbook: 'queue-depth-high' },
  engine_failed: { ...state, above: 0, forMs: 0, unit: 'gateways', runbook: 'backend-failure' },
  storage_failing: { ...state, above: 0, forMs: MINUTE, unit: 'gateways', runbook: 'storage-write-failing' },
  backup_overdue: { ...state, above: 0, forMs: 5 * MINUTE, unit: 'gateways', runbook: 'backup-overdue' },
  export_failing: { ...state, above: 0, forMs: 5 * MINUTE, unit: 'gateways', runbook: 'telemetry-loss' },
};

/** @returns a rule with the defaults of its kind; undefined for a rule without a kind */
export function ruleOf(settings: AlertRuleSettings): AlertRule | undefined {
  const builtIn = BUILT_IN_ALERT_RULES.find(({ id }) => id === settings.id);
  const kind = settings.kind ?? builtIn?.kind;
  if (kind === undefined) return undefined;
  const defaults = KIND_DEFAULTS[kind];
  return {
    ...{ id: settings.id, kind, enabled: settings.enabled, model: settings.model },
    severity: settings.severity ?? builtIn?.severity ?? 'warning',
    above: settings.above ?? builtIn?.above ?? defaults.above,
    metric: settings.metric ?? defaults.metric,
    windowMs: settings.window ?? defaults.windowMs,
    forMs: settings.for ?? defaults.forMs,
    keepFiringMs: settings.keep_firing ?? defaults.keepFiringMs,
    minRequests: settings.min_requests ?? defaults.minRequests,
  };
}

const NOTHING_SET: Omit<AlertRuleSettings, 'id'> = {
  ...{ kind: null, enabled: true, severity: null, above: null, metric: null, model: null, window: null },
  ...{ for: null, keep_firing: null, min_requests: null },
};

/** Where a rule comes from. */
export type RuleSource = 'built_in' | 'config' | 'platform' | 'tenant';

export interface SourcedRule {
  readonly rule: AlertRule;
  readonly source: RuleSource;
}

/**
 * Combines rules: a later source replaces those with the same id.
 * @param layers settings by source, the weakest first
 * @returns rules by id, disabled ones included
 */
export function combinedRules(
  layers: readonly { readonly source: RuleSource; readonly rules: readonly AlertRuleSettings[] }[],
): ReadonlyMap<string, SourcedRule> {
  const found = new Map<string, SourcedRule>();
  const builtIn = BUILT_IN_ALERT_RULES.map(({ id }) => ({ ...NOTHING_SET, id }));
  for (const { source, rules } of [{ source: 'built_in' as const, rules: builtIn }, ...layers]) {
    for (const settings of rules) {
      const rule = ruleOf(settings);
      if (rule) found.set(rule.id, { rule, source });
    }
  }
  return found;
}

/** @returns whether a tenant, or the platform, can have alerts of a kind */
export function isKindOf(kind: AlertKind, owner: 'tenant' | 'platform'): boolean {
  return !(owner === 'tenant' ? PLATFORM_ALERT_KINDS : TENANT_ALERT_KINDS).includes(kind);
}

/** @returns the kind with a name; undefined for none */
export function kindNamed(name: string): AlertKind | undefined {
  return ALERT_KINDS.find((kind) => kind === name);
}
