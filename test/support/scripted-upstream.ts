import net from 'node:net';
import tls from 'node:tls';
import type { TestCertificate } from './certificates.ts';

/** A TCP server on an ephemeral port that answers with whatever bytes its script writes, HTTP or not. */

export interface ReceivedRequest {
  /** Request line and headers, without the final empty line. */
  readonly head: string;
  readonly body: Buffer;
}

/** The server's end of one connection. */
export interface Peer {
  /** The next request, read to the end of its Content-Length. Rejects when the connection closes first. */
  request(): Promise<ReceivedRequest>;
  /** Resolves when the kernel has taken the bytes. Rejects when the connection closes first. */
  write(bytes: string | Uint8Array): Promise<void>;
  /** Writes each piece on its own, letting the event loop turn in between. */
  writePieces(pieces: readonly (string | Uint8Array)[]): Promise<void>;
  /** FIN. */
  end(): void;
  /** RST. */
  reset(): void;
  /** Resolves when the client has closed or reset the connection, or both sides have. */
  readonly closed: Promise<void>;
}

export type Script = (peer: Peer, connectionIndex: number) => Promise<void> | void;

export interface ScriptedUpstream {
  readonly port: number;
  readonly url: string;
  /** Connections accepted so far. */
  connections(): number;
  /** Closes everything; rejects with what a script threw, unless its connection had been closed by then. */
  close(): Promise<void>;
}

class ConnectionClosed extends Error {}

/** @param certificate for an upstream of `https:` */
export async function startScriptedUpstream(
  script: Script,
  certificate?: TestCertificate,
): Promise<ScriptedUpstream> {
  const sockets = new Set<net.Socket>();
  const failures: unknown[] = [];
  let accepted = 0;
  const accept = (socket: net.Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    const run = async (index: number) => script(makePeer(socket), index);
    run(accepted).catch((error: unknown) => {
      if (!(error instanceof ConnectionClosed)) failures.push(error);
      socket.destroy();
    });
    accepted += 1;
  };
  const server = certificate
    ? tls.createServer({ ...certificate, noDelay: true }, accept)
    : net.createServer({ noDelay: true }, accept);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    url: `${certificate ? 'https' : 'http'}://127.0.0.1:${address.port}`,
    connections: () => accepted,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      if (failures.length > 0) throw failures[0];
    },
  };
}

function makePeer(socket: net.Socket): Peer {
  let received = Buffer.alloc(0);
  const pieces: Buffer[] = [];
  let wake: () => void = () => undefined;
  let over = false;
  const closed = new Promise<void>((resolve) => {
    const finish = () => {
      over = true;
      wake();
      resolve();
    };
    socket.on('end', finish);
    socket.on('close', finish);
    // What kind of close it was does not matter here; 'close' follows.
    socket.on('error', finish);
  });
  socket.on('data', (bytes: Buffer) => {
    pieces.push(bytes);
    wake();
  });
  const takeReceived = () => {
    if (pieces.length > 0) received = Buffer.concat([received, ...pieces.splice(0)]);
    return received;
  };
  const until = async (length: () => number): Promise<Buffer> => {
    for (;;) {
      const available = received.length + pieces.reduce((sum, piece) => sum + piece.length, 0);
      const wanted = length();
      if (wanted <= available) {
        const all = takeReceived();
        received = all.subarray(wanted);
        return all.subarray(0, wanted);
      }
      if (over) throw new ConnectionClosed('the client closed the connection');
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const write = (bytes: string | Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      const fail = () => reject(new ConnectionClosed('the client closed the connection'));
      if (over || socket.destroyed) return fail();
      closed.then(fail);
      socket.write(bytes, (error) => (error ? fail() : resolve()));
    });
  return {
    async request() {
      const head = await until(() => {
        const end = takeReceived().indexOf('\r\n\r\n');
        return end < 0 ? Number.POSITIVE_INFINITY : end + 4;
      });
      const text = head.toString('latin1', 0, head.length - 4);
      const length = Number(/^content-length: *(\d+)/im.exec(text)?.[1] ?? 0);
      return { head: text, body: Buffer.from(await until(() => length)) };
    },
    write,
    async writePieces(all) {
      for (const piece of all) {
        await write(piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    end: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    closed,
  };
}
