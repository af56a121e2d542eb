import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/**
 * Reaches a TLS server through a plain port, so that tests written for plain HTTP run over TLS unchanged. Bytes, ends and
 * resets pass in both directions.
 */
export interface TlsTunnel {
  readonly port: number;
  close(): void;
}

/**
 * @param port of the TLS server on 127.0.0.1
 * @param ca PEM of the authority of its certificate
 */
export async function startTlsTunnel(port: number, ca: string): Promise<TlsTunnel> {
  const open = new Set<Socket>();
  const server = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    const target = { host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true };
    const upstream = connectTls({ ...target, ca });
    join(client, upstream);
    join(upstream, client);
    upstream.once('secureConnect', () => client.resume());
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

/** Forwards what one side sends, with backpressure, and how it ends. */
function join(from: Socket, to: Socket): void {
  from.pipe(to);
  from.once('error', () => to.resetAndDestroy());
  from.once('close', () => {
    if (!to.writableEnded) to.destroy();
  });
}
