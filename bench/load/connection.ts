import { MessageReader } from '../http/message-reader.ts';
import type { Endpoint } from './protocol.ts';

/** Follows one request. Exactly one `onDone` comes, also when the connection breaks. */
export interface LoadRequest {
  onBody(bytes: Uint8Array, start: number, end: number): void;
  /** @param error why there is no whole answer; undefined when it is whole, whatever its status */
  onDone(status: number, error: string | undefined): void;
}

/** Bytes of a whole request, to be sent any number of times. */
export function requestBytes(to: Endpoint, body: string): Uint8Array {
  const headers = Object.entries({
    host: `${to.hostname}:${to.port}`,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...to.headers,
  });
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.from(`POST ${to.path} HTTP/1.1\r\n${head}\r\n${body}`);
}

/** A client connection on a bare socket that carries one request at a time. */
export class Connection {
  private readonly reader: MessageReader;
  private pending: LoadRequest | undefined;
  private status = 0;
  private unsent: Uint8Array | undefined;
  private open = true;

  private constructor(
    private readonly socket: Bun.Socket<Connection | undefined>,
    /** The connection can take another request. */
    private readonly onIdle: (connection: Connection) => void,
    private readonly onClosed: (connection: Connection) => void,
  ) {
    this.reader = new MessageReader('response', {
      onHead: (line) => {
        this.status = Number(line.slice(9, 12));
      },
      onBody: (bytes, start, end) => this.pending?.onBody(bytes, start, end),
      onEnd: (keepAlive) => {
        this.settle(undefined);
        if (keepAlive) this.onIdle(this);
        else this.close();
      },
    });
  }

  /** @throws when the connection is refused */
  static async connect(
    to: Endpoint,
    onIdle: (connection: Connection) => void,
    onClosed: (connection: Connection) => void,
  ): Promise<Connection> {
    const socket = await Bun.connect<Connection | undefined>({
      hostname: to.hostname,
      port: to.port,
      socket: {
        data: (from, bytes) => from.data?.receive(bytes),
        drain: (from) => from.data?.drain(),
        close: (from) => from.data?.closed('connection closed by the other side'),
        error: (from, error) => from.data?.closed(error.message),
        // The promise of Bun.connect rejects as well, and that is where it is handled.
        connectError: () => undefined,
      },
    });
    socket.setNoDelay(true);
    const connection = new Connection(socket, onIdle, onClosed);
    socket.data = connection;
    return connection;
  }

  send(request: Uint8Array, pending: LoadRequest): void {
    this.pending = pending;
    if (!this.open) {
      this.settle('connection was closed while idle');
      return;
    }
    const written = this.socket.write(request);
    if (written >= 0 && written < request.length) this.unsent = request.subarray(written);
  }

  /** Closes at once; a running exchange ends with an error. */
  close(): void {
    if (!this.open) return;
    this.closed('closed by the client');
    this.socket.terminate();
  }

  private receive(bytes: Uint8Array): void {
    if (!this.open) return;
    try {
      this.reader.push(bytes);
    } catch (error) {
      this.settle(error instanceof Error ? error.message : String(error));
      this.close();
    }
  }

  private drain(): void {
    const rest = this.unsent;
    this.unsent = undefined;
    if (!rest) return;
    const written = this.socket.write(rest);
    if (written >= 0 && written < rest.length) this.unsent = rest.subarray(written);
  }

  private closed(reason: string): void {
    if (!this.open) return;
    this.open = false;
    // An answer without a length ends here, and well; anything else that is under way is cut short.
    this.reader.finish();
    this.settle(reason);
    this.onClosed(this);
  }

  private settle(error: string | undefined): void {
    const pending = this.pending;
    this.pending = undefined;
    pending?.onDone(this.status, error);
  }
}
