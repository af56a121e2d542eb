import type { GatewayError } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import type { StreamMode } from '../core/stream/frame.ts';
import type { StreamObservation } from '../core/stream/observation.ts';
import type { UpstreamHeaders } from '../core/transport.ts';
import type { AttemptContext, Target } from '../providers/types.ts';
import type { DeadlineMonitor } from './deadlines.ts';

/** How an attempt ended, and what its response reported. */
export type AttemptEnd =
  | { readonly kind: 'done'; readonly observed: StreamObservation | undefined }
  | { readonly kind: 'client_gone'; readonly observed: StreamObservation | undefined }
  /** The gateway did not need the response. */
  | { readonly kind: 'stopped'; readonly observed: StreamObservation | undefined }
  | {
      readonly kind: 'failed';
      readonly error: GatewayError;
      readonly observed: StreamObservation | undefined;
    };

/** One attempt: the call, its target, its deadlines, and who learns of its progress. */
export interface AttemptOptions {
  readonly call: InferenceCall;
  readonly target: Target;
  /** What the adapter receives; its warnings are complete when `start` returned. */
  readonly context: AttemptContext;
  readonly streamMode: StreamMode;
  readonly now: () => number;
  readonly deadlines: DeadlineMonitor;
  /** Milliseconds until the first event of a stream, or until a complete response. */
  readonly firstTokenMs: number;
  /** Milliseconds between two reads from the upstream. */
  readonly streamIdleMs: number;
  /** Largest response body, 256 MB when absent. */
  readonly maxResponseBytes?: number | undefined;
  /** The request's own deadline, monotonic milliseconds. */
  readonly deadlineAt: number;
  /** Headers that are added for the upstream, such as of the trace; undefined for none. */
  readonly traceHeaders?: Readonly<Record<string, string>> | undefined;
  /** Called when the request was built. @throws GatewayError to give the attempt up before it is sent */
  onBuilt?(): void;
  /** Whether the response may go to the client: false when another attempt was faster. */
  mayCommit?(): boolean;
  /** The first event of the response, or all of it, arrived. */
  onFirstEvent(headers: UpstreamHeaders): void;
  /** Called exactly once, when nothing more happens. Never before `response` has settled. */
  onEnd(end: AttemptEnd): void;
}
