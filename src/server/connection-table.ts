import { clientKey } from '../core/client-identity.ts';
import { SlotList, type Slotted } from '../core/slot-list.ts';
import type { ServerLimitName, ServerLimits } from './server-limits.ts';

/** The next request of a connection that became idle just now may be on its way. */
const MIN_IDLE_SECONDS = 1;

/** What the connections of one client address add up to. Exists while the client has a connection. */
export class Client {
  connections = 0;
  /** Bytes of its requests that no handler has asked for. */
  unreadBytes = 0;
  /** Bytes of responses without an account that wait for it. */
  unsentBytes = 0;
  /** It carries many clients: limits of one do not apply. */
  isProxy = false;

  constructor(readonly key: string) {}
}

/** A connection as the table sees it. */
export interface TableEntry extends Slotted {
  readonly client: Client;
  /** Seconds without a request; undefined while there is one. */
  readonly idleSeconds: number | undefined;
  /** Closes an idle connection, to make room for another. It leaves the table before this returns. */
  evict(): void;
}

export interface ConnectionTableOptions {
  readonly limits: () => ServerLimits;
  /** Whether a peer is a proxy, which carries many clients. */
  readonly isProxy: (address: string) => boolean;
}

/**
 * The open connections of a server, with a cap on all of them and one for each client address. At a cap, idle connections
 * are closed for new ones: the client's own at its cap, the ones that have been idle longest at the total cap.
 */
export class ConnectionTable<C extends TableEntry> {
  readonly #options: ConnectionTableOptions;
  readonly #connections = new SlotList<C>();
  readonly #clients = new Map<string, Client>();
  /**
   * Searched for at most once between two ticks: a flood of new connections must not cost a search each.
   */
  #idle: IdleConnections<C> | undefined;

  constructor(options: ConnectionTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Clients that have a connection. */
  get clients(): number {
    return this.#clients.size;
  }

  /**
   * Counts a new connection. The caller adds it at once, or releases it with `leave`.
   * @returns the client it belongs to, or the limit that rejects it
   */
  enter(address: string): Client | ServerLimitName {
    const { maxConnections, maxConnectionsPerIp } = this.#options.limits();
    const isProxy = this.#options.isProxy(address);
    const key = clientKey(address);
    const known = this.#clients.get(key);
    if (
      maxConnectionsPerIp !== null &&
      known !== undefined &&
      known.connections >= maxConnectionsPerIp &&
      !isProxy &&
      !this.#evictIdle(known)
    ) {
      return 'max_connections_per_ip';
    }
    if (this.#connections.size >= maxConnections && !this.#evictIdle()) return 'max_connections';
    // Looked up again: an evicted connection may have been the client's last.
    const client = this.#clients.get(key) ?? new Client(key);
    this.#clients.set(key, client);
    // With every connection, since a reload may change it.
    client.isProxy = isProxy;
    client.connections += 1;
    return client;
  }

  add(connection: C): void {
    this.#connections.add(connection);
  }

  remove(connection: C): void {
    if (connection.slot < 0) return;
    this.#connections.remove(connection);
    this.leave(connection.client);
  }

  leave(client: Client): void {
    client.connections -= 1;
    if (client.connections === 0) this.#clients.delete(client.key);
  }

  snapshot(): C[] {
    return this.#connections.snapshot();
  }

  /** A second has passed: idle connections may be searched for again. */
  tick(): void {
    this.#idle = undefined;
  }

  /** Closes the connection, of one client or of all, that has been idle longest. @returns whether there was one */
  #evictIdle(client?: Client): boolean {
    this.#idle ??= findIdle(this.#connections.snapshot());
    const candidates = client === undefined ? this.#idle.all : this.#idle.ofClient.get(client);
    for (let found = candidates?.pop(); found !== undefined; found = candidates?.pop()) {
      // It may have got a request since it was found, or have closed.
      if (found.slot < 0 || found.idleSeconds === undefined) continue;
      found.evict();
      return true;
    }
    return false;
  }
}

/** Idle connections, those idle longest last. */
interface IdleConnections<C> {
  readonly all: C[];
  readonly ofClient: ReadonlyMap<Client, C[]>;
}

function findIdle<C extends TableEntry>(connections: readonly C[]): IdleConnections<C> {
  const all = connections
    .filter(({ idleSeconds = 0 }) => idleSeconds >= MIN_IDLE_SECONDS)
    .sort((a, b) => (a.idleSeconds ?? 0) - (b.idleSeconds ?? 0));
  const ofClient = new Map<Client, C[]>();
  for (const connection of all) {
    const list = ofClient.get(connection.client);
    if (list) list.push(connection);
    else ofClient.set(connection.client, [connection]);
  }
  return { all, ofClient };
}
