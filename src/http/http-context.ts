import type { GatewayError } from '../core/errors.ts';
import type { HeaderReader, HttpRequest } from '../core/http.ts';
import type { RateLimitStatus } from '../core/rate-limit.ts';
import type { LineForwarding } from '../providers/line-forwarding.ts';

/** What a request that Weir runs for a client has beside its headers. */
export interface BackgroundControls {
  /** The request has the price of batches. */
  readonly isBatch: boolean;
  /** Set for a line of a batch whose upstream call a provider's batch API makes. */
  readonly forwarding?: LineForwarding | undefined;
  /** Receives what the request cost: 10^-12 US dollars; undefined where a price is not known. */
  readonly onSettled: (costPico: number | undefined) => void;
}

/** One HTTP request, from its arrival to the end of its response. */
export class HttpContext {
  /** The route pattern that matched: a label of metrics from a bounded set. */
  route = 'unmatched';
  /** Path parameters. */
  params: Readonly<Record<string, string>> = {};
  /** Renders errors in the dialect of the endpoint; OpenAI's when absent. */
  renderError: ((error: GatewayError, requestId: string) => string) | undefined;
  /** A dialect's own name for the request id's header. */
  requestIdHeader: string | undefined;
  /** The largest body of this route, in bytes. */
  bodyLimit = 0;
  /** The client for limits of addresses; undefined where addresses are not limited. */
  client: string | undefined;
  /** The state of the client's rate limit; undefined where addresses are not limited. */
  addressRate: RateLimitStatus | undefined;
  /** Set for a request that no client waits for. */
  background: BackgroundControls | undefined;
  /** The trace that the metrics of this request refer to; undefined where it is not exported. */
  traceId: string | undefined;
  /** The gateway of another region that forwarded the request, and the client's address there. */
  forwarded: { readonly from: string; readonly client: string } | undefined;
  #deferred = false;
  #finished = false;

  constructor(
    readonly request: HttpRequest,
    readonly requestId: string,
    /** Monotonic milliseconds. */
    readonly startedAt: number,
    private readonly onFinish: (httpContext: HttpContext, status: number) => void,
  ) {}

  /** For responses that outlive the handler: the caller of `defer` calls `finish` at the response's end. */
  defer(): void {
    this.#deferred = true;
  }

  get deferred(): boolean {
    return this.#deferred;
  }

  /** Reports the response's status to metrics, once. */
  finish(status: number): void {
    if (this.#finished) return;
    this.#finished = true;
    this.onFinish(this, status);
  }
}

const VALID_REQUEST_ID = /^[\w.:-]{1,128}$/;

/** The client's request id where it is short and has only safe characters, else a new id. */
export function requestIdFor(headers: HeaderReader, newId: () => string): string {
  const given = headers.get('x-request-id');
  return given !== null && VALID_REQUEST_ID.test(given) ? given : newId();
}
