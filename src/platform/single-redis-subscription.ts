import { RedisClient as Connection } from 'bun';
import {
  type RedisSubscription,
  reconnectDelay,
  redisTlsOptions,
  SUBSCRIPTION_PING_MS,
  type SubscriptionSettings,
} from './redis-client.ts';

/** A subscription at one server of several that carry the same messages, with the runtime's own client. */
export class SingleRedisSubscription implements RedisSubscription {
  readonly #settings: Omit<SubscriptionSettings, 'url'>;
  #server = 0;
  #connection: Connection | undefined;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** @param urls of the servers: the next one is tried when one is lost */
  constructor(
    settings: Omit<SubscriptionSettings, 'url'>,
    private readonly urls: readonly [string, ...string[]],
  ) {
    this.#settings = settings;
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#connection?.close();
  }

  #connect(): void {
    const { timeoutMs } = this.#settings;
    const tls = redisTlsOptions(this.#settings);
    const connection = new Connection(this.urls[this.#server % this.urls.length], {
      autoReconnect: false,
      enableOfflineQueue: false,
      ...(tls && { tls }),
      connectionTimeout: Math.max(timeoutMs, 1_000),
    });
    this.#connection = connection;
    connection.onclose = () => {
      if (this.#closed || this.#connection !== connection) return;
      this.#connection = undefined;
      clearTimeout(this.#timer);
      this.#settings.onError(new Error('The subscription to Redis ended'));
      this.#timer = setTimeout(() => this.#connect(), reconnectDelay(this.#failures));
      this.#timer.unref();
      this.#failures += 1;
      this.#server += 1;
    };
    // `onclose` reports a failure; a server that rejects the subscription is tried again.
    this.#subscribe(connection).catch(() => connection.close());
  }

  async #subscribe(connection: Connection): Promise<void> {
    const { channel, onMessage, onSubscribed } = this.#settings;
    await connection.connect();
    await connection.subscribe(channel, (text) => onMessage(text));
    this.#failures = 0;
    onSubscribed();
    this.#watch(connection);
  }

  /** Closes a connection whose server is gone without a word, which nothing else would detect. */
  #watch(connection: Connection): void {
    this.#timer = setTimeout(() => {
      const late = setTimeout(() => connection.close(), Math.max(this.#settings.timeoutMs, 1_000));
      connection.ping().then(
        () => {
          clearTimeout(late);
          if (this.#connection === connection) this.#watch(connection);
        },
        () => {
          clearTimeout(late);
          connection.close();
        },
      );
    }, SUBSCRIPTION_PING_MS);
    this.#timer.unref();
  }
}
