import type { Config } from '../config/schema.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { MemoryReplayStore } from '../storage/memory-replay-store.ts';
import type { ReplayStore } from '../storage/replay-store.ts';

export interface ReplayStoreOptions {
  readonly config: Config;
  readonly box: SecretBox;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly newId: () => string;
}

/** The store of responses by idempotency keys, and how its connection is closed. */
export interface ReplayParts {
  readonly store: ReplayStore;
  close(): Promise<void>;
}

/** Keeps responses in Redis when `storage.redis_url` is set, else in memory. */
export async function createReplayStore({
  config,
  box,
  now,
  newId,
}: ReplayStoreOptions): Promise<ReplayParts> {
  const local = new MemoryReplayStore(now);
  if (config.storage.redis_url === null) return { store: local, close: async () => undefined };
  const [{ RedisReplayStore }, { RedisConnection, redisSettings }] = await Promise.all([
    import('../storage/kv/redis-replay-store.ts'),
    import('./redis-connection.ts'),
  ]);
  const settings = redisSettings(config);
  if (!settings) return { store: local, close: async () => undefined };
  const connection = new RedisConnection(settings);
  const prefix = config.storage.redis_prefix;
  const store = new RedisReplayStore({ prefix, box, local, now, newId, connect: () => connection.open() });
  return { store, close: () => connection.close() };
}
