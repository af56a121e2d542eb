import { constants } from 'node:crypto';
import type { WritableSocket } from './socket-writer.ts';

/** Listens for TCP connections on the runtime's sockets, in plain text or with TLS. */

/** PEM texts. */
export interface TlsCredentials {
  /** The certificate chain, the server certificate first. */
  readonly cert: string;
  /** Its private key, unencrypted. */
  readonly key: string;
  /** Certificate authorities of clients, in PEM: each client must present a certificate. None is asked for when absent. */
  readonly clientCa?: string | undefined;
}

/** One accepted connection. With TLS its bytes are plaintext. */
export interface ServerSocket extends WritableSocket {
  /** IP address of the peer. */
  readonly remoteAddress: string;
  /** @param initialDelay idle time before the first probe, in milliseconds */
  setKeepAlive(enable: boolean, initialDelay: number): boolean;
  pause(): void;
  resume(): void;
  /** Sends what was written, then closes. */
  end(): void;
  /** Ends the sending side; what the peer still sends is read. */
  shutdown(): void;
  /** Closes at once, with a reset. */
  terminate(): void;
}

/** Receives the events of one connection. */
export interface SocketEvents {
  /** Accepted. With TLS the handshake comes next: nothing may be written before `secured`. */
  opened(socket: ServerSocket): void;
  /** The TLS handshake is complete. Never called in plain text. */
  secured(): void;
  /** @param bytes belong to the receiver and are never reused */
  received(bytes: Uint8Array): void;
  /** The socket takes more. */
  drained(): void;
  /** Called once, also after a handshake that failed. */
  closed(): void;
}

export interface SocketListenerOptions {
  /** Host name or address to listen on. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Path of a Unix socket to listen on instead of the port. */
  readonly unix?: string | undefined;
  /** Whether other processes may listen on the port too: the kernel distributes new connections among them (Linux). */
  readonly shared?: boolean | undefined;
  /** TLS 1.2 and 1.3 with these; plain text when absent. */
  readonly tls?: TlsCredentials | undefined;
  /** The protocol that TLS clients must be offered; HTTP/1.1 when absent. */
  readonly protocol?: 'http/1.1' | 'h2' | undefined;
  /**
   * Called for each client without a certificate that `tls.clientCa` accepts; its connection is closed.
   * @param reason such as `certificate has expired (CERT_HAS_EXPIRED)`
   */
  readonly onCertificateRejected?: ((remoteAddress: string, reason: string) => void) | undefined;
  /**
   * Called for each accepted connection, before TLS.
   * @param remoteAddress IP address of the peer
   * @returns who receives its events; bytes to send before it is closed, which a TLS client does not get
   */
  readonly accept: (remoteAddress: string) => SocketEvents | Uint8Array;
}

export interface SocketListener {
  /** The port that is bound; 0 for a Unix socket. */
  readonly port: number;
  /**
   * Uses other credentials for connections that are accepted from now on. Open connections keep theirs.
   * @throws Error when the listener was started without TLS
   */
  useCredentials(credentials: TlsCredentials): void;
  /** Accepts no more connections. Open ones stay. */
  stop(): void;
}

/** In the form of the wire: each name after its length (RFC 7301). */
const ALPN = {
  'http/1.1': Buffer.from('\x08http/1.1', 'latin1'),
  h2: Buffer.from('\x02h2', 'latin1'),
} as const;

/**
 * @returns a listener that accepts connections already
 * @throws Error with `code` `EADDRINUSE` or `EACCES` when the port is not available
 */
export function listenSockets(options: SocketListenerOptions): SocketListener {
  const { host, port, unix, shared, accept, protocol = 'http/1.1', onCertificateRejected } = options;
  let upgrade = options.tls && upgradeOptions(options.tls, protocol);
  const handlers: Bun.SocketHandler<SocketEvents | undefined> = {
    ...PLAIN,
    open: (socket) => {
      // A peer at a Unix socket has none.
      const address = socket.remoteAddress ?? '';
      const events = accept(address);
      if (events instanceof Uint8Array) {
        if (upgrade === undefined) socket.write(events);
        socket.end();
        return;
      }
      if (upgrade === undefined) {
        socket.data = events;
        events.opened(socket);
        return;
      }
      // The listener accepts in plain text and each connection is upgraded: the runtime cannot change the
      // certificate of a listener, and a second listener on the port would lose connections at the change.
      const [, secure] = socket.upgradeTLS({
        ...{ ...upgrade, data: events },
        ...(upgrade.tls.requestCert && {
          socket: mutualHandler((reason) => onCertificateRejected?.(address, reason)),
        }),
      });
      events.opened(secure);
    },
  };
  const listener =
    unix === undefined
      ? Bun.listen({ hostname: host, port, socket: handlers, ...(shared === true && { reusePort: true }) })
      : Bun.listen({ unix, socket: handlers });
  return {
    port: 'port' in listener ? listener.port : 0,
    useCredentials: (credentials) => {
      if (upgrade === undefined) throw new Error('this listener was started without TLS');
      upgrade = upgradeOptions(credentials, protocol);
    },
    stop: () => listener.stop(false),
  };
}

/** `data` is absent for a connection that TLS has taken over: its own handlers report the plaintext. */
const PLAIN: Bun.SocketHandler<SocketEvents | undefined> = {
  data: (socket, bytes) => socket.data?.received(bytes),
  drain: (socket) => socket.data?.drained(),
  close: (socket) => socket.data?.closed(),
  // The close that follows reports it: a client that resets its connection is not a defect.
  error: (socket) => {
    socket.terminate();
  },
};

const SECURE: Bun.SocketHandler<SocketEvents> = {
  handshake: (socket, success) => {
    // After a failure the runtime sends its alert and closes.
    if (success) socket.data.secured();
  },
  data: (socket, bytes) => socket.data.received(bytes),
  drain: (socket) => socket.data.drained(),
  close: (socket) => socket.data.closed(),
  error: (socket) => {
    socket.terminate();
  },
};

/** With client certificates. The runtime reports a connection whose certificate it rejects as a success with an error. */
function mutualHandler(onRejected: (reason: string) => void): Bun.SocketHandler<SocketEvents> {
  return {
    ...SECURE,
    handshake: (socket, success, error) => {
      if (success && error === null) {
        socket.data.secured();
        return;
      }
      const reason = rejectionOf(success, error);
      if (reason !== undefined) onRejected(reason);
      socket.terminate();
    },
  };
}

/** @returns undefined for a handshake that failed for another reason, such as a client that does not speak TLS */
function rejectionOf(success: boolean, error: Error | null): string | undefined {
  if (error === null) return undefined;
  if (error.message.includes('PEER_DID_NOT_RETURN_A_CERTIFICATE')) return 'it presented none';
  const code = 'code' in error ? ` (${String(error.code)})` : '';
  return success ? `${error.message}${code}` : undefined;
}

/** The types do not know `isServer` yet. */
interface ServerUpgrade extends Bun.TLSUpgradeOptions<SocketEvents> {
  readonly isServer: true;
  readonly tls: Bun.TLSOptions;
}

function upgradeOptions({ cert, key, clientCa }: TlsCredentials, protocol: keyof typeof ALPN): ServerUpgrade {
  return {
    isServer: true,
    socket: SECURE,
    tls: {
      cert,
      key,
      ...(clientCa !== undefined && { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
      ALPNProtocols: ALPN[protocol],
      secureOptions: constants.SSL_OP_NO_TLSv1 | constants.SSL_OP_NO_TLSv1_1,
    },
  };
}
