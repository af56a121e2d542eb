import type { Generated } from 'kysely';
import type { MetricSums } from '../usage-metrics.ts';
import type { UsageSums } from '../usage-totals.ts';
import type { AsyncContentRow } from './async-tables.ts';
import type { BatchChunkRow, BatchResultRow } from './batch-tables.ts';

export { USAGE_SUMS, type UsageSums } from '../usage-totals.ts';

/** The tables of one tenant's database. Times are Unix milliseconds, documents JSON texts, money 10^-12 US dollars. */
export interface TenantTables {
  members: {
    id: string;
    /** `user` or `service_account`. */
    kind: string;
    email: string | null;
    name: string;
    role: string;
    status: string;
    limits: string;
    version: number;
    created_at: number;
    updated_at: number;
  };
  invitations: {
    id: string;
    email: string;
    role: string;
    digest: string;
    invited_by: string;
    created_at: number;
    expires_at: number;
    accepted_at: number | null;
    revoked_at: number | null;
  };
  api_keys: {
    id: string;
    kind: string;
    name: string;
    hint: string;
    digest: string;
    member: string | null;
    scopes: string;
    limits: string;
    expires_at: number | null;
    revoked_at: number | null;
    /** Null for a key that is not paused. */
    paused_at: number | null;
    /** Id of the actor. */
    paused_by: string | null;
    /** The secret before a rotation, valid until `previous_expires_at`. */
    previous_digest: string | null;
    previous_hint: string | null;
    previous_expires_at: number | null;
    last_used_at: number | null;
    version: number;
    created_by: string;
    created_at: number;
    updated_at: number;
  };
  /** One row, which every administrative change of the tenant updates first, so that changes run one after another. */
  write_lock: { id: number; writes: number };
  /** Changes that are not yet copied to the control database. */
  outbox: {
    id: string;
    topic: string;
    subject: string;
    created_at: number;
  };
  /** Events that are committed and not published yet, in the order of the changes that they report. */
  events: EventRow;
  audit_log: AuditLogRow;
  /** One row: the end of the audit trail's chain. */
  audit_head: { id: number; sequence: number; hash: string };
  /** Parts of the audit trail that retention has deleted. */
  audit_seals: AuditSealRow;
  /** All usage events: one row for each journal file of a gateway, one line for each event. */
  usage_batches: {
    id: string;
    first_at: number;
    last_at: number;
    count: number;
    /** The lines after the first `archived`. */
    events: string;
    /** Lines that are in an archive only: a batch that is stored again still skips all of `count`. */
    archived: Generated<number>;
    /** 1 while lines of an archive are read back: they are not archived again. */
    restored: Generated<number>;
    /** Rises with each batch, and with each addition to one, in the order of their transactions; 0 before there were numbers. */
    sequence: Generated<number>;
  };
  /** Archives of usage events. */
  usage_archives: UsageArchiveRow;
  /**
   * Days (UTC) with usage. `changes` rises with each transaction that stores some; `copied` is its value when the sums of
   * the day were copied to the control database.
   */
  usage_days: { start: number; changes: number; copied: number };
  /** What the requests of a batch are searched by: a `BatchFilter`, and the largest values. */
  usage_batch_index: {
    batch: string;
    filter: string;
    max_cost_pico: number;
    max_duration_ms: number;
  };
  /** Prompts and responses of a tenant that wants them logged. */
  request_log: {
    id: string;
    request_id: string;
    at: number;
    key_id: string;
    member: string | null;
    model: string;
    status: number;
    error: string | null;
    cost_pico: number | null;
    duration_ms: number;
    /** Of `sealed`. */
    bytes: number;
    key_version: number;
    sealed: string;
    /** Rises with each row, in the order of their transactions; 0 before there were numbers. */
    sequence: Generated<number>;
  };
  /** One row: the last number of `request_log`. It stays when rows are deleted. */
  request_log_head: { id: number; sequence: number };
  /** The keys that the log is sealed with, themselves sealed with the installation's secret. */
  request_log_keys: { version: number; sealed: string; created_at: number };
  /** Prompts that people saved. */
  prompts: {
    id: string;
    name: string;
    /** The name in lower case: unique. */
    name_key: string;
    /** Number of the latest version. */
    latest: number;
    /** Of the row, for `etag`. */
    version: number;
    created_by: string;
    created_by_name: string;
    created_at: number;
    updated_at: number;
  };
  /** What prompts say, sealed with the installation's secret. */
  prompt_versions: {
    prompt: string;
    /** From 1. */
    number: number;
    model: string | null;
    saved_by: string;
    saved_by_name: string;
    saved_at: number;
    /** Of `sealed`. */
    bytes: number;
    sealed: string;
  };
  /** Responses of the Responses API that a later request may continue. */
  responses: {
    id: string;
    created_at: number;
    expires_at: number;
    input: string;
    response: string;
    native: number;
  };
  /** Results of batches that run. */
  batch_results: BatchResultRow;
  batch_chunks: BatchChunkRow;
  /** What requests with `Prefer: respond-async` and their responses contain. */
  async_contents: AsyncContentRow;
  /** The responses of output items, by the items' ids. */
  response_items: { id: string; response: string };
  /** Sums of the events by hour and by day (UTC): `period` is `hour` or `day`. */
  usage_rollups: UsageSums & {
    period: string;
    start: number;
    key_id: string;
    member: string;
    model: string;
    provider: string;
  };
  /** Sums of the events by minute and hour (UTC), of all keys together. */
  usage_metrics: MetricSums & {
    period: string;
    start: number;
    model: string;
    provider: string;
  } & TimeSketches;
  /** Times of the requests of a key by hour (UTC). */
  usage_key_times: { start: number; key_id: string; member: string } & TimeSketches;
  /** As `usage_rollups`, by tag; a request with several tags counts for each. */
  usage_tag_rollups: UsageSums & {
    period: string;
    start: number;
    tag: string;
    model: string;
  };
  /** As `usage_rollups`, by client application. */
  usage_client_rollups: UsageSums & {
    period: string;
    start: number;
    client: string;
    model: string;
  };
}

export interface UsageArchiveRow {
  /** Part of the object's key. */
  id: string;
  /** `writing` until its events have left the database, then `stored`. */
  state: string;
  /** `2026-11`, UTC. */
  month: string;
  first_at: number;
  last_at: number;
  events: number;
  /** JSON: a list of `[batch, from, to]`, the lines of each. */
  batches: string;
  /** Of the object; null until it is written. */
  bytes: number | null;
  sha256: string | null;
  /** Until then another gateway leaves the plan alone. */
  lease_until: number;
  restored_until: number | null;
  created_at: number;
}

/** Texts of a `QuantileSketch`, of milliseconds. */
interface TimeSketches {
  latency: string;
  first_event: string;
}

export interface EventRow {
  /** The number of the change (`write_lock.writes`), and the event's place within it. */
  sequence: number;
  position: number;
  /** Unique; stays the same when the event is delivered again. */
  id: string;
  name: string;
  version: number;
  actor: string;
  request_id: string;
  data: string;
  created_at: number;
}

/** An entry of an audit trail. */
export interface AuditEntry {
  id: string;
  at: number;
  actor: string;
  actor_name: string;
  action: string;
  subject: string;
  details: string;
  address: string;
  request_id: string;
}

/** An entry in its place of the chain; see `audit-chain.ts`. */
export interface AuditRow extends AuditEntry {
  /** From 1, without gaps. */
  sequence: number;
  /** SHA-256 of the entry and of the hash before, as lower-case hexadecimal digits. */
  hash: string;
}

/** As stored: versions before the chain, which may still run, write neither. */
export interface AuditLogRow extends AuditEntry {
  sequence: number | null;
  hash: string | null;
}

export interface AuditSealRow {
  first_sequence: number;
  last_sequence: number;
  /** Of the last entry: the chain continues from it. */
  last_hash: string;
  /** Unix milliseconds: the entries were older. */
  older_than: number;
}
