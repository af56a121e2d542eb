import type { RegionStatus } from './region-health.ts';
import type { Region } from './regions.ts';

/** The regions as this gateway sees them. */
export interface RegionView {
  /** The region of this gateway; null for none. */
  readonly own: string | null;
  readonly regions: readonly (Region & { readonly status: RegionStatus })[];
}
