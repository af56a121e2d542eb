import type { UpstreamRequest } from '../../src/core/transport.ts';
import {
  createHttp1Transport,
  type Http1Transport,
  type Http1TransportOptions,
} from '../../src/platform/http-client.ts';
import type { TestCertificate } from './certificates.ts';
import { type Script, startScriptedUpstream } from './scripted-upstream.ts';
import { sendAndCollect } from './transport-collector.ts';

/** Weir's own HTTP client before a scripted upstream. */

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Starts clients and upstreams, and closes them in `close`. */
export class HttpClientFixture {
  readonly #opened: (() => Promise<void> | void)[] = [];

  /** @param certificate for an upstream of `https:` */
  async start(script: Script, options: Http1TransportOptions = {}, certificate?: TestCertificate) {
    const server = await startScriptedUpstream(script, certificate);
    this.closeLater(() => server.close());
    const transport = createHttp1Transport(options);
    this.closeLater(() => transport.close());
    const send = (body?: Uint8Array) => sendAndCollect(transport, requestTo(server.url, body));
    return { server, transport, send };
  }

  closeLater(close: () => Promise<void> | void): void {
    this.#opened.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#opened.splice(0).reverse()) await close();
  }
}

/** A GET, or a POST of a body. */
export function requestTo(url: string, body?: Uint8Array): UpstreamRequest {
  return body === undefined
    ? { method: 'GET', url, headers: {} }
    : { method: 'POST', url, headers: {}, body };
}

/** Responds to the requests of each connection in turn. */
export const answering =
  (...responses: string[]): Script =>
  async (peer) => {
    for (const response of responses) {
      await peer.request();
      await peer.write(response);
    }
    await peer.closed;
  };

/** Waits for a state that is sure to come; a test's own time limit catches one that does not. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

export const counts = (transport: Http1Transport) => {
  const { open, idle, active } = transport.stats();
  return { open, idle, active };
};
