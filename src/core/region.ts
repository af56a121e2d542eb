/** Where the data of a tenant may be. */
export interface TenantResidency {
  /** The region whose gateways serve the tenant. */
  readonly region: string;
  /** Regions of targets, guardrail servers and gateways that may process its data; `eu` includes `eu-west-1`. */
  readonly allowed: readonly string[];
  /** Regions that serve the tenant while `region` is unavailable, the first one first. */
  readonly failover: readonly string[];
  /** What the gateways of other regions do with its requests. */
  readonly elsewhere: ElsewherePolicy;
}

export const ELSEWHERE_POLICIES = ['reject', 'forward'] as const;
export type ElsewherePolicy = (typeof ELSEWHERE_POLICIES)[number];

/** Names of regions, as providers write them: `eu-central-1`, `europe-west4`, `eu`. */
export const REGION_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** @returns whether a region is one of those allowed, or within one of them: `eu-west-1` is within `eu` */
export function isInRegions(region: string, allowed: readonly string[]): boolean {
  return allowed.some((one) => region === one || region.startsWith(`${one}-`));
}
