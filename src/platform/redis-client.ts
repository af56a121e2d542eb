/** TLS of a `rediss:` server. */
export interface RedisTls {
  /** PEM of its certificate authority; undefined for the system's authorities. */
  readonly ca?: string | undefined;
  /** PEM of a client certificate and its key. */
  readonly identity?: { readonly cert: string; readonly key: string } | undefined;
}

/** @returns the options of a TLS connection; undefined where there are none */
export function redisTlsOptions({ ca, identity }: RedisTls) {
  if (ca === undefined && identity === undefined) return undefined;
  return { ...(ca === undefined ? {} : { ca }), ...identity };
}

export interface RedisSettings extends RedisTls {
  /** `redis://`, `rediss://`, `redis+sentinel://host:port,.../name` or `redis+cluster://host:port,...`. */
  readonly url: string;
  /** Connects to replicas, where Sentinel or a cluster names the servers. They take no writes. */
  readonly isReplica?: boolean | undefined;
  /** The time limit of a command, in milliseconds. */
  readonly timeoutMs: number;
  /** Called for each connection that fails or is lost. */
  readonly onError: (error: Error) => void;
}

/** A client of Redis or Valkey that reconnects without limit when the connection is lost. */
export interface RedisClient {
  /** Whether commands can be sent now. Otherwise they fail at once: no request waits for a server that may not return. */
  readonly ready: boolean;
  /** @throws when the command cannot be sent, is rejected, or gets no response in time */
  call(command: string, args: readonly string[]): Promise<unknown>;
  /** Resolves at the first connection. */
  connected(): Promise<void>;
  disconnect(): void;
}

export interface SubscriptionSettings extends RedisSettings {
  readonly channel: string;
  /** Called with each message of the channel. Must not throw. */
  readonly onMessage: (text: string) => void;
  /** Called after each subscription: messages from before it were missed. Must not throw. */
  readonly onSubscribed: () => void;
}

/** A connection of its own that stays subscribed to one channel, and reconnects without limit. */
export interface RedisSubscription {
  close(): void;
}

/** How often a subscription checks that its server responds: it sends nothing otherwise. Milliseconds. */
export const SUBSCRIPTION_PING_MS = 5_000;

/** Milliseconds until the next connection attempt. */
export function reconnectDelay(failures: number): number {
  return Math.min(2_000, 50 * 2 ** Math.min(failures, 6));
}

/** The fields of a hash, in the form that every client returns. */
export function fieldsOf(reply: unknown): [name: string, value: string][] {
  if (!Array.isArray(reply))
    return Object.entries(Object(reply)).map(([name, value]) => [name, String(value)]);
  return Array.from({ length: reply.length / 2 }, (_, at) => [
    String(reply[2 * at]),
    String(reply[2 * at + 1]),
  ]);
}
