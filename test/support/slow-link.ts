import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A network path to one port of 127.0.0.1 that takes time. */
export interface SlowLink {
  /** Where to connect instead. */
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Passes bytes on after half of the round trip, in both directions, in order and without a bound of the rate. A port where
 * nothing listens resets the connection, as a load balancer without a healthy server does.
 * @param roundTripMs from a request's last byte to its response's first, beside the time of the server
 */
export async function startSlowLink(to: number, roundTripMs: number): Promise<SlowLink> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ host: '127.0.0.1', port: to, allowHalfOpen: true, noDelay: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
    delay(client, upstream, roundTripMs / 2);
    delay(upstream, client, roundTripMs / 2);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the link has no port');
  return {
    port: address.port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function delay(from: Socket, to: Socket, ms: number): void {
  // Timers of the same length may fire in another order than they were set in; the pieces must not.
  const underWay: (() => void)[] = [];
  const later = (act: () => void) => {
    underWay.push(act);
    setTimeout(() => underWay.shift()?.(), ms);
  };
  from.on('data', (piece: Buffer) => later(() => to.write(piece)));
  from.on('end', () => later(() => to.end()));
  from.on('error', () => to.resetAndDestroy());
}
