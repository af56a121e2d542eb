/** A webhook endpoint. */
export interface WebhookRow {
  id: string;
  /** Empty for an endpoint of the platform, which receives the events of all tenants. */
  tenant: string;
  url: string;
  description: string;
  /** JSON list of event types and patterns. */
  events: string;
  /** Sealed, as are previous ones. */
  secret: string;
  previous_secret: string | null;
  previous_expires_at: number | null;
  /** `enabled` or `disabled`. */
  status: string;
  disabled_reason: string | null;
  /** The first failure since the last success. */
  failing_since: number | null;
  /** The gateway that sends to it now. */
  owner: string;
  lease_until: number;
  version: number;
  created_by: string;
  created_at: number;
  updated_at: number;
}

/** One event for one endpoint. */
export interface WebhookDeliveryRow {
  id: string;
  webhook: string;
  /** Of the event in the log: the order of deliveries. */
  sequence: number;
  event: string;
  type: string;
  subject: string;
  payload: string;
  /** `pending`, `delivered` or `failed`. */
  state: string;
  next_at: number;
  attempts: number;
  /** JSON list of the last attempts. */
  log: string;
  created_at: number;
  finished_at: number | null;
}

/** The tables of webhooks in the control database. */
export interface WebhookTables {
  webhooks: WebhookRow;
  webhook_deliveries: WebhookDeliveryRow;
}
