/** The order of a model's targets that something other than its strategy chose for one request. */
export interface TargetPreference {
  /** The id of the model that it is for: fallbacks have their own order. */
  readonly model: string;
  /** `provider/upstream-model`, in the order in which to try them. */
  readonly order: readonly string[];
  /** No other target may be tried. */
  readonly only: boolean;
}
