import type { Clock } from '../core/clock.ts';
import { asGatewayError, type GatewayError } from '../core/errors.ts';
import type { HeaderReader, HttpRequest, HttpResponse } from '../core/http.ts';
import type { Principal } from '../core/principal.ts';
import { readableOf } from '../core/push-stream.ts';
import { openAiErrorBody } from '../http/error-body.ts';
import { HttpContext } from '../http/http-context.ts';
import type { RouteHandler } from '../http/route-policy.ts';
import type { LineForwarding } from '../providers/line-forwarding.ts';
import { clientErrorOf } from './client-error.ts';
import { assertEndpointAllowed } from './endpoint-scope.ts';

/** An inference request that no client waits for. */
export interface BackgroundRequest {
  /** Of an inference endpoint that is called with POST, such as `/v1/chat/completions`. */
  readonly path: string;
  readonly principal: Principal;
  /** JSON text. */
  readonly body: string;
  /** By lower-case name, such as `x-weir-priority`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly requestId: string;
  /** The request has the price of batches. */
  readonly isBatch: boolean;
  /** Set for a line of a batch whose upstream call a provider's batch API makes. */
  readonly forwarding?: LineForwarding | undefined;
  /** Ends the request early, as if its client had left. */
  readonly signal: AbortSignal;
}

/** The response to a request that ran in the background. */
export interface BackgroundResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text, or the events of a stream. */
  readonly body: string;
  /** Undefined for a response without an error. */
  readonly error: GatewayError | undefined;
  /** 10^-12 US dollars; undefined where a price is not known. */
  readonly costPico: number | undefined;
}

/** How an inference endpoint is called. */
interface BackgroundEndpoint {
  readonly handle: RouteHandler<Principal>;
  readonly renderError: ((error: GatewayError, requestId: string) => string) | undefined;
}

/**
 * Runs inference requests that were stored earlier, such as lines of batches, through the same stages as those of clients:
 * everything but the limits of addresses and the wait for a body.
 */
export class BackgroundRequests {
  readonly #endpoints = new Map<string, BackgroundEndpoint>();

  constructor(private readonly clock: Pick<Clock, 'now'>) {}

  /** Registers an endpoint. */
  add(path: string, endpoint: BackgroundEndpoint): void {
    this.#endpoints.set(path, endpoint);
  }

  /** Whether there is such an endpoint. The inference API must be loaded. */
  has(path: string): boolean {
    return this.#endpoints.has(path);
  }

  /** Never rejects: a failure is a response with an error. @throws RangeError for an unknown path */
  async run(request: BackgroundRequest): Promise<BackgroundResponse> {
    const { path, principal, requestId, isBatch, signal, forwarding } = request;
    const endpoint = this.#endpoints.get(path);
    if (!endpoint) throw new RangeError(`no inference endpoint ${path}`);
    const settled = Promise.withResolvers<number | undefined>();
    const httpContext = new HttpContext(storedRequest(request), requestId, this.clock.now(), () => undefined);
    httpContext.route = path;
    httpContext.background = { isBatch, forwarding, onSettled: settled.resolve };
    try {
      signal.throwIfAborted();
      const admitted = assertEndpointAllowed(principal, httpContext);
      const response = await endpoint.handle(httpContext, admitted);
      const body = await textOf(response);
      const costPico = await settled.promise;
      const headers = Object.fromEntries(
        Object.entries(response.headers.fields()).map(([name, value]) => [name, String(value)]),
      );
      return { status: response.status, headers, body, error: undefined, costPico };
    } catch (thrown) {
      const error = asGatewayError(clientErrorOf(thrown));
      const render = endpoint.renderError ?? openAiErrorBody;
      // It may have failed before anything could cost, or after an attempt.
      const costPico = httpContext.deferred ? await settled.promise : 0;
      return { status: error.status, headers: {}, body: render(error, requestId), error, costPico };
    }
  }
}

async function textOf({ body }: HttpResponse): Promise<string> {
  if (body === null) return '';
  if (typeof body === 'string') return body;
  return new Response(body instanceof Uint8Array ? Uint8Array.from(body) : readableOf(body)).text();
}

/** A request as a client would have sent it. Its response is never compressed. */
function storedRequest({ path, body, headers = {}, signal }: BackgroundRequest): HttpRequest {
  const reader: HeaderReader = {
    get: (name) => headers[name] ?? null,
    has: (name) => Object.hasOwn(headers, name),
    keys: () => Object.keys(headers),
  };
  return {
    ...{ method: 'POST', target: path, url: `http://localhost${path}`, headers: reader, signal },
    remoteAddress: 'unknown',
    onDisconnect: (listener) => {
      if (signal.aborted) listener();
      else signal.addEventListener('abort', listener, { once: true });
    },
    readBody: () => new TextEncoder().encode(body),
    limitBody: () => undefined,
    keepBytes: () => undefined,
    chargeTo: () => undefined,
  };
}
