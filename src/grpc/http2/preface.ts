import { PREFACE } from './frames.ts';

/** Checks the first bytes of a connection. */
export class PrefaceReader {
  #length = 0;

  get isComplete(): boolean {
    return this.#length === PREFACE.length;
  }

  /** @returns what follows the preface, or undefined where it is not complete; null where the client speaks another protocol */
  read(bytes: Uint8Array): Uint8Array | undefined | null {
    const missing = PREFACE.length - this.#length;
    if (missing === 0) return bytes;
    const part = bytes.subarray(0, missing);
    if (!PREFACE.subarray(this.#length, this.#length + part.length).equals(part)) return null;
    this.#length += part.length;
    return bytes.length > missing ? bytes.subarray(missing) : undefined;
  }
}

/** For clients that do not speak HTTP/2, such as browsers. */
export const NOT_HTTP2 = Buffer.from(
  'HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 54\r\n\r\nThis port serves gRPC over HTTP/2 (server.grpc_port).\n',
);
