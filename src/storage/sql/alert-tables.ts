/** An alert: one time that a rule found something about one subject. */
export interface AlertRow {
  id: string;
  /** Empty for an alert of the platform. */
  tenant: string;
  rule: string;
  kind: string;
  /** What the alert is about, within its rule. */
  subject: string;
  /** Unique among alerts that have not ended; null once it has. */
  open_key: string | null;
  /** JSON of labels by name. */
  labels: string;
  severity: string;
  /** `pending`, `firing` or `resolved`. */
  state: string;
  summary: string;
  value: number;
  threshold: number | null;
  unit: string;
  /** Since when the condition holds. */
  since: number;
  fired_at: number | null;
  /** Since when the condition of a firing alert is over. */
  clear_since: number | null;
  resolved_at: number | null;
  /** Earlier alerts about the same, each within an hour after the one before. */
  flaps: number;
  updated_at: number;
}

/** A rule that the admin API set: of a tenant, or of the platform. */
export interface AlertRuleRow {
  /** Empty for the platform. */
  tenant: string;
  id: string;
  document: string;
  version: number;
  updated_at: number;
  updated_by: string;
}

export interface AlertSilenceRow {
  id: string;
  /** Empty for the platform. */
  tenant: string;
  /** JSON list of matchers. */
  matchers: string;
  starts_at: number;
  ends_at: number;
  comment: string;
  created_by: string;
  created_by_name: string;
  created_at: number;
}

export interface AlertReceiverRow {
  id: string;
  /** Empty for the platform. */
  tenant: string;
  name: string;
  type: string;
  /** JSON of the settings that are no secret. */
  document: string;
  /** Sealed JSON of URL and secret. */
  sealed: string;
  enabled: number;
  failing_since: number | null;
  last_error: string | null;
  version: number;
  created_by: string;
  created_at: number;
  updated_at: number;
}

/** The last report about a group of alerts to a receiver. */
export interface AlertGroupRow {
  receiver: string;
  group_key: string;
  /** Names this series of messages to the receiver. */
  episode: string;
  /** JSON list of ids of alerts that were reported as firing. */
  reported: string;
  sent_at: number;
}

/** A message that is to be sent, or was. */
export interface AlertMessageRow {
  id: string;
  receiver: string;
  /** Of the receiver. */
  tenant: string;
  group_key: string;
  /** `firing` or `resolved`. */
  status: string;
  /** JSON of what it says. */
  content: string;
  /** `pending`, `delivered` or `failed`. */
  state: string;
  attempts: number;
  next_at: number;
  /** Of the last attempt. */
  error: string | null;
  created_at: number;
  finished_at: number | null;
}

/** What a gateway reports of itself, for the one that evaluates. */
export interface AlertObservationRow {
  instance: string;
  kind: string;
  subject: string;
  value: number;
  detail: string;
  seen_at: number;
}

/** The tables of alerts in the control database. */
export interface AlertTables {
  alerts: AlertRow;
  alert_rules: AlertRuleRow;
  alert_silences: AlertSilenceRow;
  alert_receivers: AlertReceiverRow;
  alert_groups: AlertGroupRow;
  alert_messages: AlertMessageRow;
  alert_observations: AlertObservationRow;
  /** One row: the gateway that evaluates. */
  alert_lease: { id: number; owner: string; lease_until: number; fence: number };
}
