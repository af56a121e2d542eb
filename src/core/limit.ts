/** Quantities that limits count. */
export const LIMITED = ['requests', 'tokens', 'cost', 'concurrent_requests'] as const;
/** Periods of rates (moving time), and of quotas and budgets (a day or month of the tenant's calendar). */
export const RATE_PERIODS = ['second', 'minute'] as const;
/** Periods of quotas and budgets: a day or month of the tenant's calendar. */
export const CALENDAR_PERIODS = ['day', 'month'] as const;

/** A quantity that limits count. */
export type Limited = (typeof LIMITED)[number];
/** A period of moving time. */
export type RatePeriod = (typeof RATE_PERIODS)[number];
/** A period of the tenant's calendar. */
export type CalendarPeriod = (typeof CALENDAR_PERIODS)[number];

/**
 * - `enforce` rejects requests above the limit
 * - `warn` admits them and warns the client
 * - `shadow` admits them and only counts
 */
export const LIMIT_MODES = ['enforce', 'warn', 'shadow'] as const;
/** Effect of a limit on a request above it. */
export type LimitMode = (typeof LIMIT_MODES)[number];

/**
 * Behaviour while the shared store is unreachable: `local` gives each gateway its share, `refuse` rejects (fails closed).
 */
export const LOSS_POLICIES = ['local', 'refuse'] as const;
/** Behaviour of a limit while the shared store is unreachable. */
export type LossPolicy = (typeof LOSS_POLICIES)[number];

/** One limit. Amounts of money are integers in 10^-9 US dollars; all others are plain counts. */
export interface Limit {
  readonly of: Limited;
  /** Null for `concurrent_requests`. */
  readonly per: RatePeriod | CalendarPeriod | null;
  readonly max: number;
  /** Largest number that a rate admits at once; null for other limits, and for `max`. */
  readonly burst: number | null;
  readonly mode: LimitMode;
  readonly onStoreLoss: LossPolicy;
  /** The tier that it comes from; absent for a limit of the subject itself. */
  readonly tier?: string;
}

/** Kinds of subjects that have limits. */
export const LIMIT_SCOPES = ['ip', 'key', 'user', 'tenant', 'tag', 'model', 'target'] as const;
/** A kind of subject that has limits. */
export type LimitScope = (typeof LIMIT_SCOPES)[number];

/** The limits of one subject: a key, user, tenant, tag, model, target or address. */
export interface SubjectLimits {
  readonly scope: LimitScope;
  /** Unique within the scope over all tenants. */
  readonly id: string;
  /** Shown to users. */
  readonly name: string;
  readonly limits: readonly Limit[];
  /** IANA time zone of the days and months. */
  readonly timeZone: string;
}
