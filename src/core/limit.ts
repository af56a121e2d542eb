/** What a limit counts. */
export const LIMITED = ['requests', 'tokens', 'cost', 'concurrent_requests'] as const;
/** Rates hold for a moving time; quotas and budgets for a day or a month of the tenant's calendar. */
export const RATE_PERIODS = ['second', 'minute'] as const;
export const CALENDAR_PERIODS = ['day', 'month'] as const;

export type Limited = (typeof LIMITED)[number];
export type RatePeriod = (typeof RATE_PERIODS)[number];
export type CalendarPeriod = (typeof CALENDAR_PERIODS)[number];

/**
 * `enforce` refuses what would exceed it; `warn` lets it pass and says so to the client; `shadow` lets it pass and only
 * counts what would have been refused.
 */
export const LIMIT_MODES = ['enforce', 'warn', 'shadow'] as const;
export type LimitMode = (typeof LIMIT_MODES)[number];

/** What holds while the shared store can't be reached: this gateway's fair share of the limit, or no request at all. */
export const LOSS_POLICIES = ['local', 'refuse'] as const;
export type LossPolicy = (typeof LOSS_POLICIES)[number];

/** One limit. Amounts of money are whole thousand-millionths of a US dollar; all others are plain counts. */
export interface Limit {
  readonly of: Limited;
  /** Null for `concurrent_requests`. */
  readonly per: RatePeriod | CalendarPeriod | null;
  readonly max: number;
  /** Of a rate: how much may come at once. */
  readonly burst: number | null;
  readonly mode: LimitMode;
  readonly onStoreLoss: LossPolicy;
}

/** Whose limits they are. */
export const LIMIT_SCOPES = ['ip', 'key', 'user', 'tenant', 'tag', 'model', 'target'] as const;
export type LimitScope = (typeof LIMIT_SCOPES)[number];

/** The limits of one subject: a key, a person, a tenant, a tag, a model, a target or an address. */
export interface SubjectLimits {
  readonly scope: LimitScope;
  /** Unique among all subjects of its scope, so with its tenant where it has one. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  readonly limits: readonly Limit[];
  /** Whose days and months they are: an IANA time zone. */
  readonly timeZone: string;
}
