import type { UpstreamRequest } from '../core/transport.ts';
import type { UsageEvent } from '../storage/usage-event.ts';

/** Why the gateway runs a line of a batch itself. */
export type LocalReason =
  /** The response came from a cache or a rule, or the request was rejected: no provider is needed. */
  | 'no_upstream_call'
  /** The target's provider has no batch API, or is not configured to forward batches. */
  | 'provider_does_not_forward'
  /** The batch API of the provider does not take this request. */
  | 'request_not_supported'
  /** The model cannot be reached, or its target has limits of its own. */
  | 'target_unavailable'
  /** The key has too little left of a quota or budget for all lines of a batch; or the model or a tag has some of its own. */
  | 'limits'
  /** The provider rejected the batch, cancelled it, or let it expire: these lines did not run there. */
  | 'provider_rejected';

/** Where a line of a batch would go, and what it would send. */
export interface CapturedLine {
  readonly provider: string;
  readonly account: number | undefined;
  readonly model: string;
  readonly endpoint: string;
  readonly request: UpstreamRequest;
}

/**
 * Runs a line of a batch up to its upstream call, to forward that call. Nothing of this run is recorded, metered or charged:
 * a line that is not captured runs again, as a whole.
 */
export class LineCapture {
  readonly kind = 'capture';
  /** Undefined where the line cannot be forwarded. */
  captured: CapturedLine | undefined;
  reason: LocalReason = 'no_upstream_call';
  /** The most that it may use of quotas and budgets: tokens, and 10^-9 US dollars. */
  use: { readonly tokens: number; readonly nanoUsd: number } = { tokens: 0, nanoUsd: 0 };
}

/** The result of a forwarded line, as the provider sent it. */
export interface StoredUpstreamResponse {
  readonly provider: string;
  readonly account: number | undefined;
  readonly model: string;
  readonly status: number;
  readonly body: Uint8Array;
}

/** Runs a line of a batch again, with a stored response in the place of its upstream call. */
export class LineReplay {
  readonly kind = 'replay';
  /** The response takes the place of the first call only. */
  isUsed = false;
  /** Its usage, which the batch stores once, however often the line is replayed. */
  readonly usage: UsageEvent[] = [];

  constructor(readonly response: StoredUpstreamResponse) {}
}

/** How a line of a batch meets its upstream. */
export type LineForwarding = LineCapture | LineReplay;
