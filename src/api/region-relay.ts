import { ByteCollector } from '../core/byte-collector.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { type HttpResponse, ResponseHeaders } from '../core/http.ts';
import type {
  Transport,
  TransportError,
  UpstreamCall,
  UpstreamHandler,
  UpstreamHeaders,
  UpstreamMethod,
} from '../core/transport.ts';
import { readRawBody } from '../http/body.ts';
import type { HttpContext } from '../http/http-context.ts';
import { REGION_HEADER } from '../http/http-router.ts';
import type { Lifecycle, RelayedRequest } from '../pipeline/lifecycle.ts';
import type { Region } from '../regions/regions.ts';

export interface RegionRelayOptions {
  readonly clock: Clock;
  readonly transport: Transport;
  readonly lifecycle: Pick<Lifecycle, 'beginRelayed' | 'endRelayed' | 'relayed'>;
  /** Requests at the same time. */
  readonly maxForwarded: () => number;
  /** Says why a region did not respond; the message of the error when absent. */
  readonly explain?: (region: Region, error: TransportError) => string;
}

/** Headers of a connection, and those that the transport and the server write themselves (RFC 9110, section 7.6.1). */
const OF_CONNECTION: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'date',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'strict-transport-security',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const METHODS: Readonly<Record<string, UpstreamMethod>> = {
  GET: 'GET',
  HEAD: 'GET',
  POST: 'POST',
  PUT: 'PUT',
  PATCH: 'PATCH',
  DELETE: 'DELETE',
};
/** Longer responses are streamed; shorter ones are sent with their length, or fail whole. Bytes. */
const MAX_WHOLE = 256 * 1024;
const RETRY_AFTER_SECONDS = 5;

/**
 * Sends requests to the gateways of other regions and their responses to the clients, byte for byte. Each request is sent once:
 * where its response does not come, the client decides whether to send it again.
 */
export class RegionRelay {
  constructor(private readonly options: RegionRelayOptions) {}

  /**
   * @param headers that replace those of the client
   * @param deadlineAt monotonic milliseconds
   * @throws GatewayError `region_unavailable`, `gateway_overloaded`, `deadline_exceeded`, or that of the body
   */
  async send(
    httpContext: HttpContext,
    region: Region,
    headers: Readonly<Record<string, string>>,
    deadlineAt: number,
  ): Promise<HttpResponse> {
    const { lifecycle, maxForwarded, transport, clock, explain } = this.options;
    if (lifecycle.relayed >= maxForwarded()) {
      throw new GatewayError(
        'gateway_overloaded',
        `This gateway forwards as many requests as it may ("region_routing.max_forwarded"). Send the request to ${region.address}.`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      );
    }
    const { request, bodyLimit } = httpContext;
    const method = METHODS[request.method] ?? 'POST';
    const timer = new AbortController();
    const finished = () => {
      timer.abort();
      lifecycle.endRelayed(relayed);
    };
    const relayed = new RelayedCall(httpContext, region, finished, explain);
    lifecycle.beginRelayed(relayed);
    try {
      request.onDisconnect(() => relayed.abort(clientGone()));
      const body = method === 'GET' ? undefined : await readRawBody(request, bodyLimit);
      const left = Math.max(0, deadlineAt - clock.now());
      clock.sleep(left, timer.signal).then(
        () => relayed.abort(tooLate(region)),
        () => undefined,
      );
      const sent = {
        method,
        url: `${region.address}${request.target}`,
        headers: { ...forwardable(request.headers), ...headers },
        ...(body === undefined ? {} : { body }),
      };
      return await relayed.run(transport, sent);
    } catch (error) {
      relayed.end();
      throw error;
    }
  }
}

/** One forwarded request, from its arrival to the end of its response. */
class RelayedCall implements RelayedRequest, UpstreamHandler {
  slot = -1;
  readonly #response = Promise.withResolvers<HttpResponse>();
  readonly #whole = new ByteCollector();
  #call: UpstreamCall | undefined;
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  #head: { readonly status: number; readonly headers: ResponseHeaders } | undefined;
  #paused = false;
  #failure: GatewayError | undefined;
  #ended = false;

  constructor(
    private readonly httpContext: HttpContext,
    private readonly region: Region,
    private readonly onFinished: () => void,
    private readonly explain: NonNullable<RegionRelayOptions['explain']> = (_, { message }) => message,
  ) {
    // It may fail before anything waits for it, while the body is read: `run` throws that failure.
    this.#response.promise.catch(() => undefined);
  }

  run(transport: Transport, request: Parameters<Transport['send']>[0]): Promise<HttpResponse> {
    if (this.#failure) throw this.#failure;
    this.#call = transport.send(request, this);
    return this.#response.promise;
  }

  /** Idempotent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.onFinished();
  }

  abort(error: GatewayError): void {
    if (this.#ended) return;
    this.#call?.abort();
    this.#fail(error);
  }

  onHead(status: number, received: UpstreamHeaders): void {
    const headers = ResponseHeaders.of({ [REGION_HEADER]: this.region.id, ...forwardable(received) });
    this.#head = { status, headers };
    const length = Number(received.get('content-length') ?? Number.NaN);
    if (length <= MAX_WHOLE || status === 204 || status === 304) return;
    const { httpContext } = this;
    httpContext.defer();
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#stream = controller;
        },
        pull: () => {
          if (!this.#paused) return;
          this.#paused = false;
          this.#call?.resume();
        },
        cancel: () => this.abort(clientGone()),
      },
      { highWaterMark: MAX_QUEUED_CHUNKS },
    );
    this.#response.resolve({ status, headers, body });
  }

  onData(bytes: Uint8Array): void {
    if (!this.#stream) {
      this.#whole.add(bytes);
      return;
    }
    this.#stream.enqueue(bytes);
    if ((this.#stream.desiredSize ?? 1) > 0) return;
    this.#paused = true;
    this.#call?.pause();
  }

  onEnd(): void {
    const { status = 502, headers = new ResponseHeaders() } = this.#head ?? {};
    if (this.#stream) {
      this.#stream.close();
      this.httpContext.finish(status);
    } else {
      const body = this.#whole.length === 0 ? null : this.#whole.take();
      this.#response.resolve({ status, headers, body });
    }
    this.end();
  }

  onError(error: TransportError): void {
    const { id } = this.region;
    const wasSent = error.failure !== 'connect' && error.failure !== 'connect_timeout';
    const consequence = wasSent
      ? 'It may have been executed, and is not sent again.'
      : 'It was not sent. Retry later.';
    this.#fail(
      new GatewayError(
        'region_unavailable',
        `Region "${id}", which serves this tenant, did not respond: ${this.explain(this.region, error)}. ${consequence}`,
        { cause: error, ...(wasSent ? { status: 502 } : { retryAfterSeconds: RETRY_AFTER_SECONDS }) },
      ),
    );
  }

  #fail(error: GatewayError): void {
    this.#failure = error;
    const { httpContext } = this;
    if (this.#stream) {
      // After the head, a connection that ends before its body tells the client.
      this.#stream.error(error);
      httpContext.finish(error.status);
    } else this.#response.reject(error);
    this.end();
  }
}

const MAX_QUEUED_CHUNKS = 8;

/** @returns what one connection says to the other one's peer; names in the header `connection` are of the first one only */
function forwardable(headers: {
  get(name: string): string | null;
  keys?(): Iterable<string>;
}): Record<string, string> {
  const own = (headers.get('connection') ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  const kept: Record<string, string> = {};
  for (const key of headers.keys?.() ?? []) {
    const name = key.toLowerCase();
    if (OF_CONNECTION.has(name) || own.includes(name)) continue;
    const value = headers.get(name);
    if (value !== null && SENDABLE.test(value)) kept[name] = value;
  }
  return kept;
}

const SENDABLE = /^[\t\x20-\x7e]*$/;

function clientGone(): GatewayError {
  return new GatewayError('client_closed_request', 'The client closed the connection.');
}

function tooLate({ id }: Region): GatewayError {
  return new GatewayError('deadline_exceeded', `Region "${id}" did not complete its response in time.`);
}
