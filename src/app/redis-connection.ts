import type { Config } from '../config/schema.ts';
import type { RedisClient, RedisSettings } from '../platform/redis-client.ts';
import { connectRedis } from '../storage/kv/connect-redis.ts';
import { redisTls } from './database-servers.ts';

/** @returns undefined without `storage.redis_url` */
export function redisSettings({ storage }: Config): Omit<RedisSettings, 'onError'> | undefined {
  const { redis_url: url, redis_timeout: timeoutMs } = storage;
  if (url === null) return undefined;
  return { url, timeoutMs, ...redisTls(storage) };
}

/** A connection to Redis that is opened with its first use, for work that no request depends on. */
export class RedisConnection {
  #client: Promise<RedisClient> | undefined;

  constructor(private readonly settings: Omit<RedisSettings, 'onError'>) {}

  /** @returns a client that may not be connected: then its commands fail at once. Waits for the first connection. */
  open(): Promise<RedisClient> {
    this.#client ??= this.#connect();
    return this.#client;
  }

  async close(): Promise<void> {
    (await this.#client)?.disconnect();
  }

  async #connect(): Promise<RedisClient> {
    // The store of limits reports an outage.
    const client = await connectRedis({ ...this.settings, onError: () => undefined });
    const timeout = AbortSignal.timeout(this.settings.timeoutMs);
    const late = new Promise<void>((resolve) =>
      timeout.addEventListener('abort', () => resolve(), { once: true }),
    );
    await Promise.race([client.connected(), late]);
    return client;
  }
}
