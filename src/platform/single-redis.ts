import { RedisClient as Connection } from 'bun';
import { type RedisClient, type RedisSettings, reconnectDelay, redisTlsOptions } from './redis-client.ts';

/** The runtime's client reports no reason: a missing server and a wrong password look the same to it. */
const NOT_CONNECTED = 'Redis unreachable, or its credentials are rejected; `weir doctor` shows which';

/** A connection without any response for this long is closed, although neither side has closed it. Milliseconds. */
const MAX_SILENCE_MS = 10_000;

/** A connection to one server that reconnects when it is lost. */
export class SingleRedis implements RedisClient {
  readonly #settings: RedisSettings;
  readonly #first = Promise.withResolvers<void>();
  #connection: Connection | undefined;
  #failures = 0;
  /** The time of its last response. */
  #lastReplyAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(settings: RedisSettings) {
    this.#settings = settings;
    this.#connect();
  }

  get ready(): boolean {
    return this.#connection?.connected ?? false;
  }

  connected(): Promise<void> {
    return this.#first.promise;
  }

  call(command: string, args: readonly string[]): Promise<unknown> {
    const connection = this.#connection;
    if (!connection?.connected) return Promise.reject(new Error(NOT_CONNECTED));
    return new Promise((resolve, reject) => {
      const { timeoutMs } = this.#settings;
      const timer = setTimeout(() => {
        reject(new Error(`Redis did not answer within ${timeoutMs} ms`));
        if (performance.now() - this.#lastReplyAt > MAX_SILENCE_MS) connection.close();
      }, timeoutMs);
      connection.send(command, [...args]).then(
        (reply: unknown) => {
          clearTimeout(timer);
          this.#lastReplyAt = performance.now();
          resolve(reply);
        },
        (error: unknown) => {
          clearTimeout(timer);
          reject(error);
        },
      );
    });
  }

  disconnect(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#connection?.close();
  }

  #connect(): void {
    const { url, timeoutMs, onError } = this.#settings;
    const tls = redisTlsOptions(this.#settings);
    const connection = new Connection(url, {
      autoReconnect: false,
      enableOfflineQueue: false,
      ...(tls && { tls }),
      connectionTimeout: Math.max(timeoutMs, 1_000),
    });
    this.#connection = connection;
    connection.onconnect = () => {
      this.#failures = 0;
      this.#lastReplyAt = performance.now();
      this.#first.resolve();
    };
    connection.onclose = () => {
      if (this.#closed || this.#connection !== connection) return;
      this.#connection = undefined;
      onError(new Error(NOT_CONNECTED));
      this.#timer = setTimeout(() => this.#connect(), reconnectDelay(this.#failures));
      this.#failures += 1;
    };
    // `onclose` reports a failure.
    connection.connect().catch(() => undefined);
  }
}
