/** Objects of the exports API, as `/openapi.json` describes them. */
interface Progress {
  readonly id: string;
  readonly type: 'files' | 'http' | 'otlp' | 'kafka_rest' | 'langfuse' | 'datadog';
  readonly source: 'usage' | 'request_log';
  readonly destination: string;
  readonly state: 'active' | 'failing' | 'paused';
  readonly sent: number;
  readonly dropped: number;
  readonly last_sent_at: string | null;
  readonly last_error: { readonly message: string; readonly at: string; readonly tenant: string } | null;
  readonly waiting: { readonly records: number; readonly more: boolean; readonly oldest_at: string | null };
}

export interface PlatformExport extends Progress {
  /** Empty for all. */
  readonly tenants: readonly string[];
  readonly paused_at: string | null;
  readonly started_at: string | null;
  readonly failing_tenants: number;
}

export interface TenantExport extends Progress {
  readonly tenant: string;
  readonly failures: number;
  readonly next_attempt_at: string | null;
}

/** With the same columns. */
export type AnyExport = PlatformExport | TenantExport;

export interface ExportTest {
  readonly delivered: boolean;
  readonly error: string | null;
  readonly detail: string | null;
  readonly duration_ms: number;
}

export const EXPORTS = '/admin/v1/exports';

export const TYPES: Readonly<Record<Progress['type'], string>> = {
  files: 'Files',
  http: 'HTTP',
  otlp: 'OTLP logs',
  kafka_rest: 'Kafka REST',
  langfuse: 'Langfuse',
  datadog: 'Datadog',
};

export const SOURCES: Readonly<Record<Progress['source'], string>> = {
  usage: 'Usage',
  request_log: 'Logged requests',
};
