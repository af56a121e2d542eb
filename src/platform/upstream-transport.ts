import type { Clock } from '../core/clock.ts';
import type { Transport } from '../core/transport.ts';
import { createFetchTransport } from './fetch-transport.ts';
import { createHttp1Transport, type Http1TransportOptions, type Http1TransportStats } from './http-client.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface UpstreamTransportOptions {
  /** Provides HTTP_PROXY, HTTPS_PROXY and NO_PROXY. The runtime's fetch reads the process environment itself. */
  readonly env: Environment;
  readonly clock?: Clock;
  /** Options of our own client. */
  readonly http1?: Omit<Http1TransportOptions, 'clock' | 'onHandlerError'>;
  /** Receives errors that handlers throw, against their contract. A process warning by default. */
  readonly onHandlerError?: (error: unknown) => void;
}

export interface UpstreamTransport extends Transport {
  /** Our own connections. Those through a proxy belong to the runtime and cannot be counted. */
  stats(): Http1TransportStats;
}

/**
 * The transport for every upstream: our own client, and the runtime's fetch for hosts that the environment sends through an
 * HTTP proxy.
 */
export function createUpstreamTransport(options: UpstreamTransportOptions): UpstreamTransport {
  const { env, clock, onHandlerError } = options;
  const faults = onHandlerError === undefined ? {} : { onHandlerError };
  const http1 = createHttp1Transport({
    ...options.http1,
    ...faults,
    ...(clock === undefined ? {} : { clock }),
  });
  // Without `timeout: false` the runtime ends a response after five silent minutes.
  const tls = options.http1?.tls === undefined ? {} : { tls: { ...options.http1.tls } };
  const viaFetch = createFetchTransport(
    (url, init) => fetch(url, { ...init, ...tls, timeout: false }),
    faults,
  );
  const usesProxy = httpProxyRule(env);
  return {
    send(request, handler) {
      return (usesProxy(request.url) ? viaFetch : http1).send(request, handler);
    },
    close() {
      http1.close();
      viaFetch.close();
    },
    stats: () => http1.stats(),
  };
}

/**
 * Whether the environment sends a URL through an HTTP proxy: HTTP_PROXY for `http:`, HTTPS_PROXY for `https:`. NO_PROXY is a
 * list of host names, matching their subdomains too, each with an optional port; `*` is every host.
 */
export function httpProxyRule(env: Environment): (url: string) => boolean {
  const forHttp = Boolean(env.http_proxy || env.HTTP_PROXY);
  const forHttps = Boolean(env.https_proxy || env.HTTPS_PROXY);
  if (!forHttp && !forHttps) return () => false;
  const excluded = (env.no_proxy || env.NO_PROXY || '')
    .split(',')
    .map((entry) => entry.trim().toLowerCase().replace(/^\./, ''))
    .filter((entry) => entry !== '');
  if (excluded.includes('*')) return () => false;
  return (url) => {
    if (!URL.canParse(url)) return false;
    const { hostname, port, protocol } = new URL(url);
    const isTls = protocol === 'https:';
    if (!(isTls ? forHttps : forHttp)) return false;
    const withPort = `${hostname}:${port || (isTls ? '443' : '80')}`;
    const bare = hostname.replace(/^\[|\]$/g, '');
    return !excluded.some((entry) =>
      [hostname, bare, withPort].some((host) => host === entry || host.endsWith(`.${entry}`)),
    );
  };
}
