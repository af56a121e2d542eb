/** Objects of the admin API, as `/openapi.json` describes them. */
export interface LimitInput {
  readonly of: string;
  readonly per?: string | null;
  readonly max: number | string;
  readonly burst?: number | null;
  readonly mode?: string;
}

/** Where the data of a tenant may be. */
export interface Residency {
  readonly region: string;
  readonly allowed?: readonly string[];
  readonly failover?: readonly string[];
  readonly elsewhere?: string;
}

export interface Tenant {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly tier: string | null;
  readonly time_zone: string;
  readonly limits: readonly LimitInput[];
  /** Null: every region serves it. */
  readonly residency?: Residency | null;
  readonly created_at: string;
}

/** A set of limits that tenants can have. */
export interface Tier {
  readonly id: string;
  readonly limits: readonly Pick<LimitInput, 'of' | 'per' | 'max'>[];
}

export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly hint: string;
  readonly state: 'active' | 'paused' | 'expired' | 'revoked';
  readonly member: string | null;
  readonly scopes: {
    readonly models?: readonly string[];
    readonly endpoints?: readonly string[];
    readonly addresses?: readonly string[];
  };
  readonly limits: readonly LimitInput[];
  readonly expires_at: string | null;
  readonly last_used_at: string | null;
  readonly created_at: string;
}

export interface Member {
  readonly id: string;
  readonly kind: 'user' | 'service_account';
  readonly email: string | null;
  readonly name: string;
  readonly role: string;
  readonly status: string;
  readonly limits: readonly LimitInput[];
}

export interface LimitUse {
  readonly scope: string;
  readonly subject: string;
  readonly subject_id: string;
  readonly of: string;
  readonly per: string | null;
  readonly mode: string;
  readonly max: number | string;
  readonly tier: string | null;
  readonly used: number | string | null;
  readonly remaining: number | string | null;
  readonly resets_at: string | null;
}

export const ROLES = ['owner', 'admin', 'developer', 'billing', 'viewer'] as const;

const UNITS: Readonly<Record<string, string>> = {
  requests: 'requests',
  tokens: 'tokens',
  input_tokens: 'input tokens',
  output_tokens: 'output tokens',
  concurrent_requests: 'requests at once',
  cost: 'US dollars',
};

/** `$5 per month`, `10 requests per minute`, `4 requests at once`. */
export function limitText({ of, per, max }: Pick<LimitInput, 'of' | 'per' | 'max'>): string {
  const dollars = String(max).replace(/\.\d$/, '$&0');
  const amount = of === 'cost' ? `$${dollars}` : `${Number(max).toLocaleString()} ${UNITS[of] ?? of}`;
  return per ? `${amount} per ${per}` : amount;
}
