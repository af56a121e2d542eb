import type { Clock } from '../core/clock.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { HttpServer, HttpServerStats } from '../server/http-server.ts';
import type { ServerLimitName } from '../server/server-limits.ts';

/** An attack reaches a limit thousands of times a second: each is counted, and one event a minute tells of them. */
const EVENT_EVERY_MS = 60_000;

interface Reached {
  count: number;
  emittedAt: number;
}

/** Counts what the limits of the HTTP servers end, and reads what the servers hold. */
export class ServerMonitor {
  readonly #reached = new Map<ServerLimitName, Reached>();
  readonly #servers: HttpServer[] = [];

  constructor(
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly events: EventSink,
  ) {}

  /** Includes a server in `stats`. */
  observe(server: HttpServer): void {
    this.#servers.push(server);
  }

  /** The sums over all servers. */
  stats(): Pick<HttpServerStats, 'connections' | 'requestBytes' | 'unsentBytes'> {
    const all = this.#servers.map((server) => server.stats());
    const sum = (key: 'connections' | 'requestBytes' | 'unsentBytes') =>
      all.reduce((total, stats) => total + stats[key], 0);
    return {
      connections: sum('connections'),
      requestBytes: sum('requestBytes'),
      unsentBytes: sum('unsentBytes'),
    };
  }

  /** Bytes from and to clients since the start, of all servers. */
  traffic(): { readonly receivedBytes: number; readonly sentBytes: number } {
    const all = this.#servers.map((server) => server.traffic());
    return {
      receivedBytes: all.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0),
      sentBytes: all.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
    };
  }

  /** A limit has ended a connection or a request. */
  limitReached(limit: ServerLimitName): void {
    this.metrics.http.limitReached.labels(limit).inc();
    const now = this.clock.now();
    const known = this.#reached.get(limit) ?? { count: 0, emittedAt: Number.NEGATIVE_INFINITY };
    this.#reached.set(limit, known);
    known.count += 1;
    if (now - known.emittedAt < EVENT_EVERY_MS) return;
    this.events.emit('http.limit_reached', { limit, count: known.count });
    known.count = 0;
    known.emittedAt = now;
  }
}
