import type { HttpRequest, HttpResponse } from '../core/http.ts';
import type { TlsCredentials } from '../platform/socket-listener.ts';
import type { Traffic } from '../platform/socket-writer.ts';
import type { ServerLimitName, ServerLimits } from './server-limits.ts';

/** The port between the gateway and the server that carries its requests. `http1-server.ts` implements it. */

export interface HttpServerOptions {
  /** Host name or address to listen on. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Path of a Unix socket to listen on instead of the port. */
  readonly unix?: string | undefined;
  /** Whether other processes may listen on the port too (Linux). */
  readonly shared?: boolean | undefined;
  /** Serves TLS 1.2 and 1.3 with these, which `loadTlsFiles` has checked; plain HTTP when absent. */
  readonly tls?: TlsCredentials | undefined;
  /** Called for each client whose certificate `tls.clientCa` does not accept, with its address and the reason. */
  readonly onCertificateRejected?: ((remoteAddress: string, reason: string) => void) | undefined;
  /** Handles one request. A rejection is reported to `onError`, and the client gets a 500 from `refuse`. */
  readonly handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;
  /** The response to a malformed request, and to one that `handle` failed on. Must not throw. */
  readonly rejectMalformed: (status: number, message: string) => HttpResponse;
  /** Receives what `handle` and response bodies threw. Must not throw. */
  readonly onError: (error: unknown) => void;
  /** Read at each use, so that a change applies to open connections too. `DEFAULT_SERVER_LIMITS` when absent. */
  readonly limits?: (() => ServerLimits) | undefined;
  /** Whether a peer is a proxy, to which limits of one client address do not apply. None is, when absent. */
  readonly isProxy?: ((address: string) => boolean) | undefined;
  /** Called for each connection and request that a limit ends. Must not throw. */
  readonly onLimit?: ((limit: ServerLimitName) => void) | undefined;
  /** Calls `tick` once a second until the returned function is called. A timer by default. */
  readonly everySecond?: (tick: () => void) => () => void;
}

/** What a server holds at a moment. */
export interface HttpServerStats {
  readonly connections: number;
  /** Client addresses that have a connection. */
  readonly clients: number;
  /** Accounts whose responses wait for slow clients. */
  readonly accounts: number;
  /** Bytes of requests. */
  readonly requestBytes: number;
  /** Bytes of responses that wait for slow clients. */
  readonly unsentBytes: number;
}

export interface HttpServer {
  readonly host: string;
  /** The port that is bound, also when the option was 0. */
  readonly port: number;
  /** Whether it serves TLS. */
  readonly secure: boolean;
  /** Requests whose responses are not completely sent. */
  pendingRequests(): number;
  stats(): HttpServerStats;
  /** Bytes since the start, without what TLS adds. */
  traffic(): Readonly<Traffic>;
  /**
   * Uses other credentials for connections that are accepted from now on. Open connections and their requests go on.
   * @param credentials checked by `loadTlsFiles`
   * @throws Error when the server was started without TLS
   */
  useCredentials(credentials: TlsCredentials): void;
  /** Accepts no more connections. Each open one ends with its next response, which says so to the client. */
  leave(): void;
  /**
   * Accepts no more connections and closes idle ones.
   * @returns resolves when all requests in flight are answered
   */
  drain(): Promise<void>;
  /** Closes every connection now. */
  close(): void;
}
