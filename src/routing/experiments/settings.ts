import type { CanaryRules } from './canary.ts';
import type { Variant } from './variants.ts';

/** A canary as a model's configuration has it. */
export interface CanarySettings extends CanaryRules {
  readonly model: string;
  readonly percent: number;
}

/** What a model's configuration says of experiments. */
export interface ExperimentSettings {
  readonly split: readonly Variant[];
  readonly canary: CanarySettings | undefined;
  readonly mirror: { readonly model: string; readonly percent: number } | undefined;
}
