/** Limits that the server enforces for every route, before and beside any handler. `limits` of the configuration. */
export interface ServerLimits {
  /** Milliseconds that the head of a request may take to arrive. */
  readonly headTimeoutMs: number;
  /** Milliseconds that a body may take to arrive. */
  readonly bodyTimeoutMs: number;
  /** Bytes per second at which a client must send a body, and take a response that waits for it; null for any rate. */
  readonly minRate: number | null;
  /** Milliseconds that a client may take no byte of a response that waits for it. */
  readonly writeIdleMs: number;
  readonly maxConnections: number;
  /** Connections of one client address; null for no limit. */
  readonly maxConnectionsPerIp: number | null;
  /** Bytes of requests that are kept at the same time, and, counted apart, of responses that wait for their clients. */
  readonly requestMemory: number;
}

/** The defaults of the configuration. */
export const DEFAULT_SERVER_LIMITS: ServerLimits = {
  headTimeoutMs: 30_000,
  bodyTimeoutMs: 300_000,
  minRate: 500,
  writeIdleMs: 60_000,
  maxConnections: 10_000,
  maxConnectionsPerIp: 1_000,
  requestMemory: 256_000_000,
};

/**
 * The limits by their names in the configuration: labels of a metric. `response_memory` is what `request_memory` allows for
 * responses.
 */
export type ServerLimitName =
  | 'head_timeout'
  | 'body_timeout'
  | 'min_rate'
  | 'write_idle'
  | 'max_connections'
  | 'max_connections_per_ip'
  | 'request_memory'
  | 'response_memory'
  | 'grpc_streams'
  | 'grpc_frames';

/** Bytes that one client address may have the server keep before a handler reads them: heads, bodies, pipelined requests. */
export const MAX_UNREAD_PER_CLIENT = 8 * 1024 * 1024;
/** Bytes of responses without an account that may wait for one client address. */
export const MAX_UNSENT_PER_CLIENT = 8 * 1024 * 1024;
/** The part of `requestMemory` that responses of one account may take while they wait for their clients. */
export const ACCOUNT_SHARE = 1 / 2;
