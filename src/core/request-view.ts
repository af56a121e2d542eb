import type { RequestDemand } from './request-demand.ts';

/**
 * The facts of a request that routing, limits and metering use. Each client dialect reads them from its own body, so
 * that no other layer knows a dialect's member names. All are cheap reads: none converts the request.
 */
export interface RequestView {
  /** Largest number of output tokens that the request allows; undefined where it sets no limit. */
  readonly outputLimit: number | undefined;
  /** Client-chosen key of a session, prompt cache or end user, for requests that belong together. */
  readonly affinityKey: string | undefined;
  readonly hasTools: boolean;
  /** The client asks for the rate of batches, at which the vendor may take longer. */
  readonly isBatch: boolean;
  hasImages(): boolean;
  /** @returns what bounds the use of the request; walks the parts of the prompt, so only limits ask for it */
  requestDemand(): RequestDemand;
  /** @returns the prompt's text in the order in which providers assemble it: tools, instructions, messages */
  promptParts(): readonly string[];
  /**
   * @returns the prompt up to the first user message, which stays the same while the conversation grows; undefined
   * where there is none
   */
  conversationStart(): string | undefined;
}
