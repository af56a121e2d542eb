import type { AuditRow } from './tenant-tables.ts';

/**
 * The tables of the control database: what every replica must know of all tenants, and nothing of what they do.
 * Columns are in snake case, as people meet them in SQL. Times are Unix milliseconds, documents JSON texts.
 */
export interface ControlTables {
  /** One row; its number grows with every change that replicas have to hear of. */
  revision: { id: number; value: number };
  settings: { name: string; value: string };
  tenants: {
    id: string;
    name: string;
    status: string;
    tier: string | null;
    /** Which configured server its database is on; empty for the default one. */
    server: string;
    database: string;
    document: string;
    version: number;
    revision: number;
    created_at: number;
    updated_at: number;
    deleted_at: number | null;
  };
  /** What a key may do, by the keyed hash of its secret: a copy of the tenant's own row. */
  key_index: {
    digest: string;
    id: string;
    tenant: string;
    document: string;
    version: number;
    revision: number;
    deleted: number;
  };
  /** Who belongs to which tenant: a copy of the tenant's own row. */
  member_index: {
    tenant: string;
    member: string;
    document: string;
    version: number;
    revision: number;
    deleted: number;
  };
  /** People who sign in, whatever tenants they belong to. */
  users: {
    id: string;
    email: string;
    name: string;
    password: string | null;
    platform_admin: number;
    status: string;
    version: number;
    created_at: number;
    updated_at: number;
  };
  federated_identities: {
    issuer: string;
    subject: string;
    user_id: string;
    email: string | null;
    created_at: number;
    last_used_at: number;
  };
  sessions: {
    id: string;
    digest: string;
    user_id: string;
    created_at: number;
    expires_at: number;
    last_seen_at: number;
    revoked_at: number | null;
    address: string;
    agent: string;
  };
  /** Answers to writes that carried an idempotency key. */
  idempotent_answers: {
    scope: string;
    key: string;
    /** A hash of what the key stood for. */
    request: string;
    /** 0 until there is an answer. */
    state: number;
    /** Encrypted: it may hold a secret that is shown once. */
    answer: string;
    expires_at: number;
  };
  /** What was done to the platform itself, and not within a tenant. */
  audit_log: AuditRow;
  /** What was used of quotas and budgets, for processes and stores that begin anew. */
  period_counters: {
    counter: string;
    period: string;
    used: number;
    updated_at: number;
  };
  responses: {
    tenant: string;
    id: string;
    created_at: number;
    expires_at: number;
    input: string;
    response: string;
    native: number;
  };
  /** Keys of before there were tenants; read once. */
  api_keys: {
    id: string;
    kind: string;
    tenant: string;
    name: string;
    hint: string;
    digest: string;
    created_at: number;
    revoked_at: number | null;
  };
}
