/** A row of `GET /admin/v1/requests`. */
export interface RequestRow {
  readonly id: string;
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
  readonly cost: string | null;
  readonly estimated: boolean;
  readonly duration_ms: number;
  readonly first_event_ms: number | null;
  readonly trace_id: string | null;
  readonly count: number;
}

export interface AttemptDetails {
  readonly provider: string;
  readonly model: string;
  readonly at_ms?: number;
  readonly ended_ms?: number;
  readonly first_event_ms?: number;
  readonly duration_ms?: number;
  readonly input_tokens?: number;
  readonly output_tokens?: number;
  readonly outcome?: string;
  readonly error?: unknown;
  readonly cost_usd?: string;
}

/** The response of `GET /admin/v1/requests/{id}`. */
export interface RequestDetails {
  readonly id: string;
  readonly source: 'memory' | 'usage';
  readonly tenant: string;
  readonly key: string;
  readonly user: string | null;
  readonly trace_id: string | null;
  readonly model?: string;
  readonly route?: string;
  readonly status?: number;
  readonly outcome: string;
  readonly error?: string;
  readonly queued_ms?: number;
  readonly loading_ms?: number;
  readonly first_event_ms?: number;
  readonly duration_ms?: number;
  readonly cost?: string | null;
  readonly looks?: readonly {
    readonly model: string;
    readonly because?: string;
    readonly strategy: string;
    readonly targets?: readonly Readonly<Record<string, unknown>>[];
    readonly left_out?: readonly Readonly<Record<string, unknown>>[];
  }[];
  readonly not_allowed?: readonly { readonly model: string; readonly because: string }[];
  readonly attempts: readonly AttemptDetails[];
  readonly cache?: { readonly status: string; readonly kind: string | null } | null;
  readonly guardrails?: readonly string[];
  /** Null where they were not logged. */
  readonly messages: {
    readonly request: unknown;
    readonly response: unknown;
    readonly truncated: readonly string[];
  } | null;
  readonly price: readonly {
    readonly of: string;
    readonly tokens: number;
    readonly usd_per_million: string | null;
    readonly cost: string | null;
  }[];
}
