import type { ServerLimits } from '../server/server-limits.ts';

/** Limits of the gRPC port, before and beside any handler. */
export interface GrpcLimits extends ServerLimits {
  /** Bytes of one message of a client. */
  readonly maxMessageBytes: number;
  /** Calls of one connection at the same time. */
  readonly grpcStreams: number;
  /** Frames without data that a connection may send ahead of its data. */
  readonly grpcFrames: number;
  /** Milliseconds that a connection may be open without a call. */
  readonly grpcIdleMs: number;
  /** Milliseconds after which clients are asked to open another connection; null for never. */
  readonly grpcMaxAgeMs: number | null;
}
