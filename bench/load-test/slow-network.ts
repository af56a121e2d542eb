import { connect, createServer, type Socket } from 'node:net';

/** A network between Weir and its upstream that can be slowed down and cut. */
export interface SlowNetwork {
  readonly port: number;
  /** Milliseconds that each piece of data needs in each direction. */
  delayMs: number;
  /** Resets all connections. */
  cut(): void;
  close(): void;
}

/** @param to port of 127.0.0.1 that it leads to */
export function startSlowNetwork(to: number): Promise<SlowNetwork> {
  const sockets = new Set<Socket>();
  const state = { delayMs: 0 };
  const carry = (from: Socket, into: Socket) => {
    from.on('data', (bytes) => {
      if (state.delayMs === 0) into.write(bytes);
      else setTimeout(() => into.write(bytes), state.delayMs);
    });
    from.on('end', () => setTimeout(() => into.end(), state.delayMs));
    from.on('error', () => into.destroy());
    from.on('close', () => {
      sockets.delete(from);
      into.destroy();
    });
  };
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1');
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      sockets.add(socket);
    }
    carry(client, upstream);
    carry(upstream, client);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      resolve({
        port: address.port,
        get delayMs() {
          return state.delayMs;
        },
        set delayMs(value) {
          state.delayMs = value;
        },
        cut: () => {
          for (const socket of sockets) socket.resetAndDestroy();
        },
        close: () => {
          for (const socket of sockets) socket.destroy();
          server.close();
        },
      });
    });
  });
}
