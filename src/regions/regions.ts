import type { LimitPortion } from '../core/limit-portion.ts';
import type { TenantResidency } from '../core/region.ts';

/** One region of the installation. */
export interface Region {
  readonly id: string;
  /** The base URL of its gateways, without a slash at the end. */
  readonly address: string;
  /** Its part of the limits of tenants that every region serves, 0 to 1; null for an equal part of what is left. */
  readonly share: number | null;
  /** `manual`: only an operator declares it unavailable. */
  readonly failover: 'automatic' | 'manual';
  /** What the operator says of it; `auto` leaves it to health checks. */
  readonly state: 'auto' | 'up' | 'down';
}

/** The regions of one configuration. */
export interface RegionSettings {
  /** The region of this gateway; null where there are none. */
  readonly own: string | null;
  readonly regions: readonly Region[];
  /** Part of quotas and budgets that a region enforces for tenants whose home region is another one, 0 to 1. */
  readonly failoverShare: number;
}

/** Which region serves a tenant now. */
export type Placement =
  | { readonly kind: 'here'; readonly isFailover: boolean }
  | { readonly kind: 'there'; readonly region: Region }
  /** No region that may serve it is available. */
  | { readonly kind: 'nowhere' };

const HERE: Placement = { kind: 'here', isFailover: false };
const FAILED_OVER: Placement = { kind: 'here', isFailover: true };
const NOWHERE: Placement = { kind: 'nowhere' };

/** @returns whether a region's gateways look after a tenant's data: its home region's, or all without a residency */
export function isHome(own: string | null, residency: Pick<TenantResidency, 'region'> | undefined): boolean {
  return own === null || residency === undefined || residency.region === own;
}

/** Decides which region serves a tenant, and which part of its limits this one enforces. */
export class Regions {
  readonly #byId: ReadonlyMap<string, Region>;
  /** Undefined where there is one region only. */
  readonly #sharedPortion: LimitPortion | undefined;
  readonly #failoverPortion: LimitPortion;

  /** @param isHealthy the result of health checks of another region */
  constructor(
    readonly settings: RegionSettings,
    private readonly isHealthy: (region: string) => boolean,
  ) {
    const { own, regions, failoverShare } = settings;
    this.#byId = new Map(regions.map((region) => [region.id, region]));
    this.#sharedPortion = own === null || regions.length < 2 ? undefined : sharedPortion(own, regions);
    this.#failoverPortion = { from: 0, to: failoverShare, dividesRates: false };
  }

  /** The region of this gateway; null where there are none. */
  get own(): string | null {
    return this.settings.own;
  }

  /** Whether tenants may be served by several regions. */
  get areSeveral(): boolean {
    return this.#sharedPortion !== undefined;
  }

  place(residency: TenantResidency): Placement {
    const { own } = this.settings;
    if (own === null) return HERE;
    for (const id of [residency.region, ...residency.failover]) {
      if (!this.#serves(id)) continue;
      if (id === own) return id === residency.region ? HERE : FAILED_OVER;
      const region = this.#byId.get(id);
      if (region) return { kind: 'there', region };
    }
    return NOWHERE;
  }

  /** @returns whether other regions may take the place of this one. A region never judges its own health. */
  #serves(id: string): boolean {
    const region = this.#byId.get(id);
    if (region?.state === 'down') return false;
    if (id === this.settings.own) return true;
    if (!region) return false;
    return region.state === 'up' || region.failover === 'manual' || this.isHealthy(id);
  }

  /** @returns whether requests can reach another region, whatever the operator says of it */
  isReachable({ id, state }: Region): boolean {
    return state === 'up' || this.isHealthy(id);
  }

  /** @returns the part of a tenant's limits that this region enforces; undefined for all of them */
  portion(residency: TenantResidency | undefined): LimitPortion | undefined {
    if (!residency) return this.#sharedPortion;
    return isHome(this.settings.own, residency) ? undefined : this.#failoverPortion;
  }
}

/** The intervals of all regions, one after the other: they do not overlap, so that their parts add up to at most the whole. */
function sharedPortion(own: string, regions: readonly Region[]): LimitPortion {
  const given = regions.reduce((sum, { share }) => sum + (share ?? 0), 0);
  const open = regions.filter(({ share }) => share === null).length;
  const equal = open === 0 ? 0 : Math.max(0, 1 - given) / open;
  let from = 0;
  for (const [index, { id, share }] of regions.entries()) {
    // The last one ends at exactly 1 where the shares add up to it.
    const isLast = index === regions.length - 1 && (open > 0 || given > 1 - ROUNDING);
    const to = isLast ? 1 : Math.min(1, from + (share ?? equal));
    if (id === own) return { from, to, dividesRates: true };
    from = to;
  }
  // A region that the list does not have enforces nothing of its own: `region` must be in `regions`.
  return { from: 0, to: 0, dividesRates: true };
}

/** Shares such as three times 0.333 are decimals: their sum is rounded. */
const ROUNDING = 1e-9;
