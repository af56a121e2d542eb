/** What one attempt may do so that the provider caches its prompt. */
export interface PromptCacheHint {
  /** Begins the hashes of prefixes: they agree only within a tenant, account and model. */
  readonly seed: bigint;
  /**
   * Finds prefixes that the provider has received within the lifetime of its cache. Those of this attempt count from its
   * first event on.
   * @returns one for each prefix; undefined where breakpoints are not set
   */
  readonly repeated: ((prefixes: readonly bigint[]) => readonly boolean[]) | undefined;
  /**
   * The key by which a vendor finds the machine with the prompt in its cache: the same for a tenant and session, and another
   * one for each other tenant. 37 characters. Undefined where keys are not sent.
   */
  readonly key: (() => string) | undefined;
}
