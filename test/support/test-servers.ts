import {
  HeaderBlock,
  type HeaderValue,
  type HttpRequest,
  type HttpResponse,
  ResponseHeaders,
} from '../../src/core/http.ts';
import type { HttpServer } from '../../src/server/http-server.ts';
import { startHttpServer } from '../../src/server/http1-server.ts';
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

/** The gateway's own server, started for each test, and raw connections to it. */
export class TestServers {
  #servers: HttpServer[] = [];
  #connections: RawConnection[] = [];

  start(handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>) {
    const errors: unknown[] = [];
    let tick = (): void => undefined;
    const server = startHttpServer({
      host: '127.0.0.1',
      port: 0,
      handle,
      rejectMalformed: (status, message) => reply(status, message),
      onError: (error) => errors.push(error),
      everySecond: (callback) => {
        tick = callback;
        return () => undefined;
      },
    });
    this.#servers.push(server);
    const open = async () => {
      const connection = await openRaw(`http://127.0.0.1:${server.port}`);
      this.#connections.push(connection);
      return connection;
    };
    const seconds = (count: number) => {
      for (let second = 0; second < count; second += 1) tick();
    };
    return { server, open, errors, seconds };
  }

  stop(): void {
    for (const connection of this.#connections.splice(0)) connection.destroy();
    for (const server of this.#servers.splice(0)) server.close();
  }
}
