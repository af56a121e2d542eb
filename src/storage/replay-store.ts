/** A response that was sent to a client, to be sent again. */
export interface StoredResponse {
  /** With the content type. Names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The body, or all events of a stream; null for one that is too long to be stored. */
  readonly text: string | null;
}

/** The right to execute a request. Exactly one of its methods is called, once. */
export interface ReplayLease {
  /** Stores the response. Never rejects: where it cannot be stored, the request may be executed again. */
  complete(response: StoredResponse): Promise<void>;
  /** The request failed: it may be executed again. Never rejects. */
  release(): Promise<void>;
}

/** What is known of a request with an idempotency key. */
export type ReplayState =
  /** Nothing: the caller executes it. */
  | { readonly kind: 'first'; readonly lease: ReplayLease }
  | { readonly kind: 'running' }
  /** The key belongs to another request. */
  | { readonly kind: 'other' }
  | { readonly kind: 'stored'; readonly response: StoredResponse };

/** Keeps responses by the idempotency keys of their requests, for 24 hours and within bounds. */
export interface ReplayStore {
  /**
   * @param tenant whose key it is
   * @param key of any form
   * @param fingerprint of the request: the same for requests that are repetitions of each other
   */
  begin(tenant: string, key: string, fingerprint: string): Promise<ReplayState>;
  /** Renews what marks requests as running. To be called every 20 seconds. */
  renew(): Promise<void>;
}

/** How long a response is kept. */
export const REPLAY_MS = 24 * 3_600_000;
/** UTF-16 units of the longest response that is kept. */
export const MAX_REPLAY_LENGTH = 1024 * 1024;
