/** What the door knows of one HTTP request, beside the request itself. */
export interface Exchange {
  readonly requestId: string;
  readonly startedAt: number;
  remoteAddress(): string;
  /** Lets the connection be quiet while an answer is awaited. */
  allowSilence(): void;
  /** The pattern that matched, for metrics; a bounded set. */
  route: string;
  /** Set by whoever takes over the counting of this request, because its answer outlives the handler. */
  finish: ((status: number) => void) | undefined;
}

/** Hono's bindings: how handlers reach the exchange. */
export interface DoorEnv {
  readonly Bindings: { readonly exchange: Exchange; readonly finish: (status: number) => void };
}

const SANE_ID = /^[\w.:-]{1,128}$/;

/** The client's request id if it is short and harmless, else a new one. */
export function requestIdFor(headers: Headers, newId: () => string): string {
  const given = headers.get('x-request-id');
  return given !== null && SANE_ID.test(given) ? given : newId();
}
