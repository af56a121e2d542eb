import type { CanaryRules } from './canary.ts';
import type { Variant } from './variants.ts';

/** The canary settings of a model. */
export interface CanarySettings extends CanaryRules {
  readonly model: string;
  /** Share of requests, 0 to 100. */
  readonly percent: number;
}

/** The experiment settings of a model. */
export interface ExperimentSettings {
  readonly split: readonly Variant[];
  readonly canary: CanarySettings | undefined;
  /** `percent` is 0 to 100. */
  readonly mirror: { readonly model: string; readonly percent: number } | undefined;
}
