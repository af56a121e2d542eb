import {
  HeaderBlock,
  type HeaderValue,
  type HttpRequest,
  type HttpResponse,
  ResponseHeaders,
} from '../../src/core/http.ts';
import type { HttpServer } from '../../src/server/http-server.ts';
import { startHttpServer } from '../../src/server/http1-server.ts';
import {
  DEFAULT_SERVER_LIMITS,
  type ServerLimitName,
  type ServerLimits,
} from '../../src/server/server-limits.ts';
import { sharedCertificate, type TestCertificate } from './certificates.ts';
import { openRaw, type RawConnection } from './http-raw.ts';

const BASE = new HeaderBlock({ 'x-base': '1' });

export const reply = (
  status: number,
  body: HttpResponse['body'],
  headers: Readonly<Record<string, HeaderValue>> = {},
): HttpResponse => {
  const own = ResponseHeaders.of(headers);
  own.block = BASE;
  return { status, headers: own, body };
};

/** How a test reaches its server: for `describe.each`. */
export const TRANSPORTS = [{ transport: 'plain HTTP' }, { transport: 'TLS' }] as const;
export type TestTransport = (typeof TRANSPORTS)[number]['transport'];

/** The gateway's own server, started for each test, and raw connections to it. */
export class TestServers {
  readonly #tls: TestCertificate | undefined;
  #servers: HttpServer[] = [];
  #connections: RawConnection[] = [];

  constructor(transport: TestTransport = 'plain HTTP') {
    this.#tls = transport === 'TLS' ? sharedCertificate() : undefined;
  }

  start(
    handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>,
    limits: Partial<ServerLimits> = {},
    isProxy?: (address: string) => boolean,
  ) {
    const errors: unknown[] = [];
    const reached: ServerLimitName[] = [];
    const allLimits = { ...DEFAULT_SERVER_LIMITS, ...limits };
    let tick = (): void => undefined;
    const server = startHttpServer({
      host: '127.0.0.1',
      port: 0,
      tls: this.#tls,
      handle,
      rejectMalformed: (status, message) => reply(status, message),
      onError: (error) => errors.push(error),
      limits: () => allLimits,
      isProxy,
      onLimit: (limit) => reached.push(limit),
      everySecond: (callback) => {
        tick = callback;
        return () => undefined;
      },
    });
    this.#servers.push(server);
    const open = async () => {
      const connection = await openRaw(`${this.#tls ? 'https' : 'http'}://127.0.0.1:${server.port}`, {
        ca: this.#tls?.cert,
      });
      this.#connections.push(connection);
      return connection;
    };
    const seconds = (count: number) => {
      for (let second = 0; second < count; second += 1) tick();
    };
    return { server, open, errors, reached, seconds };
  }

  stop(): void {
    for (const connection of this.#connections.splice(0)) connection.destroy();
    for (const server of this.#servers.splice(0)) server.close();
  }
}
