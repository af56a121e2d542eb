import type { UpstreamRequest } from '../core/transport.ts';
import type { Usage } from '../core/usage.ts';

/** One request of a batch at a provider. */
export interface UpstreamLine {
  /** Up to 64 letters, digits, `-` and `_`; unique in its batch. */
  readonly id: string;
  /** JSON text in the provider's format. */
  readonly body: string;
}

/** A batch for a provider. */
export interface BatchSubmission {
  /** Names the submission at the provider: 24 lower-case hexadecimal digits, with which the ids of all lines begin. */
  readonly token: string;
  /** From `BatchUpstream.endpointOf`. */
  readonly endpoint: string;
  readonly model: string;
  readonly lines: readonly UpstreamLine[];
}

/** How far a batch at a provider is. */
export type UpstreamBatchState =
  | { readonly kind: 'running' }
  /** Results can be read. `isPartial`: lines without a result did not run, because the batch was cancelled or expired. */
  | { readonly kind: 'ended'; readonly isPartial: boolean }
  /** The provider rejected the batch: no line ran. */
  | { readonly kind: 'rejected'; readonly reason: string };

/** The result of one line, as the provider reports it. */
export type UpstreamLineResult =
  | { readonly id: string; readonly kind: 'response'; readonly status: number; readonly body: string }
  /** The line was cancelled, or expired: it did not run. */
  | { readonly id: string; readonly kind: 'not_run' };

/** Where a submission is whose response was lost. */
export type FoundSubmission =
  | { readonly kind: 'found'; readonly id: string }
  | { readonly kind: 'none' }
  /** A batch that still runs may be it. */
  | { readonly kind: 'unknown' };

/** What identifies a submission among the batches of an account. */
export interface LostSubmission {
  readonly token: string;
  /** Unix milliseconds of the submission, by the gateway's clock. */
  readonly since: number;
  /** Number of lines. */
  readonly lines: number;
  /** Ids of batches that belong to other submissions. */
  readonly known: ReadonlySet<string>;
}

/**
 * The batch API of one provider account. One conformance suite runs on all of them (`batch-upstream.test.ts`). Methods reject
 * with a GatewayError while the provider fails, and call no host but the provider's base URL.
 */
export interface BatchUpstream {
  /** @returns the endpoint of a batch that may have this request as a line; undefined where there is none */
  endpointOf(request: UpstreamRequest): string | undefined;
  /**
   * Submits a batch.
   * @param beforeCall called before each call to the provider; throws where it must not be made any more
   * @returns its id at the provider
   * @throws SubmissionUnknownError where the provider may have accepted it; after another error, it has not
   */
  submit(submission: BatchSubmission, beforeCall?: () => void): Promise<string>;
  /** Finds a submission whose response was lost. */
  find(lost: LostSubmission): Promise<FoundSubmission>;
  state(id: string): Promise<UpstreamBatchState>;
  /**
   * Reads the results of a batch that has ended, as they arrive: in any order, some of them repeatedly or never. Lines that
   * are malformed or too long are left out.
   */
  results(id: string, signal: AbortSignal): AsyncIterable<UpstreamLineResult>;
  /**
   * @param endpoint from `endpointOf`
   * @param body of a result with a success status
   * @returns what its line used; undefined where the body does not report it
   */
  usageOf(endpoint: string, body: string): Usage | undefined;
  /** Cancels a batch; without an error for one that has ended. */
  cancel(id: string): Promise<void>;
  /** Deletes what the provider keeps of a batch that has ended. */
  discard(id: string): Promise<void>;
}

/** Thrown where a provider may have accepted a batch without saying so. */
export class SubmissionUnknownError extends Error {
  override readonly name = 'SubmissionUnknownError';
}
