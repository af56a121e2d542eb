/** Why a call of a plugin has no result. */
export type PluginFailureReason =
  /** It threw, or rejected. */
  | 'error'
  /** It took longer than its deadline. */
  | 'timeout'
  /** Its process ended during the call. */
  | 'exit'
  /** Its result does not conform to the contract. */
  | 'invalid'
  /** The call is larger than a message may be. */
  | 'too_large'
  /** It is starting, disabled, has failed too often, or has too many calls in flight: it was not called. */
  | 'unavailable';

/** A call of a plugin failed. */
export class PluginFailure extends Error {
  constructor(
    readonly reason: PluginFailureReason,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = 'PluginFailure';
  }
}

/** How an instance of a plugin ended that was not asked to. */
export type PluginExitReason = 'exited' | 'memory' | 'unresponsive' | 'protocol';

/** UTF-16 units of a plugin's own message that are kept. */
const MAX_MESSAGE = 500;

/** @returns a text of what a plugin threw, which may be anything */
export function thrownText(thrown: unknown): string {
  let text: string;
  try {
    text = thrown instanceof Error ? thrown.message : String(thrown);
  } catch {
    text = 'a value that has no text';
  }
  return text.slice(0, MAX_MESSAGE);
}
