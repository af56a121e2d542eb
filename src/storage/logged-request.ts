/** A request as its list shows it, under the names of the admin API. */
export interface LoggedSummary {
  readonly id: string;
  /** ISO 8601: when it ended. */
  readonly at: string;
  readonly tenant: string;
  readonly key: string;
  readonly user: string | null;
  readonly model: string;
  readonly provider: string | null;
  readonly upstream_model: string | null;
  readonly operation: string;
  readonly tags: readonly string[];
  readonly status: number;
  readonly error: string | null;
  readonly outcome: string;
  readonly attempts: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cached_tokens: number;
  readonly reasoning_tokens: number;
  readonly cost: string | null;
  readonly estimated: boolean;
  readonly duration_ms: number;
  readonly first_event_ms: number | null;
  readonly trace_id: string | null;
  readonly count: number;
}

/** What the log keeps of a request. Texts are redacted. */
export interface LoggedContent {
  /** Of the row, so that the contents of two rows cannot be exchanged. */
  readonly row: string;
  readonly summary: LoggedSummary;
  /** The body that the client sent: JSON, or a text where it is none or was cut. */
  readonly request: unknown;
  /** The response: JSON in the client's dialect, or the canonical form of an assembled stream. Null where there was none. */
  readonly response: unknown;
  /** Parts that were too long to keep whole. */
  readonly truncated: readonly ('request' | 'response')[];
  /** Why it went where it went. */
  readonly explanation: Readonly<Record<string, unknown>>;
}

/** A row of the log: what it is searched by, and the sealed content. */
export interface LoggedRow {
  readonly id: string;
  readonly requestId: string;
  /** Unix milliseconds of its end. */
  readonly at: number;
  readonly keyId: string;
  readonly member: string | null;
  readonly model: string;
  readonly status: number;
  readonly error: string | null;
  /** 10^-12 US dollars; null where no price is known. */
  readonly costPico: number | null;
  readonly durationMs: number;
  readonly keyVersion: number;
  /** Base64. */
  readonly sealed: string;
}
