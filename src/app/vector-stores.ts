import { join } from 'node:path';
import { MAX_QDRANT_MS, QdrantVectorStore } from '../cache/semantic/stores/qdrant-vector-store.ts';
import type { VectorStore } from '../cache/semantic/vector-store.ts';
import type { Config } from '../config/schema.ts';
import { connectRedis } from '../storage/kv/connect-redis.ts';
import type { CacheOptions } from './cache-options.ts';
import { dataFolder, redisTls } from './database-servers.ts';

/** The time limit of commands. Requests wait for `cache.semantic.timeout` at most. Milliseconds. */
const COMMAND_TIMEOUT_MS = 5_000;

/** A vector store cannot be used. Its message says what to do. */
export class VectorStoreError extends Error {
  override readonly name = 'VectorStoreError';
}

type StoreConfig = NonNullable<NonNullable<NonNullable<Config['cache']>['semantic']>['store']>;

/**
 * Makes the vector store of a configuration. Does not wait for its server.
 * @throws VectorStoreError
 */
export async function createVectorStore(
  config: Config,
  store: StoreConfig,
  options: CacheOptions,
): Promise<VectorStore> {
  const maxEntries = () => config.cache?.semantic?.max_entries ?? 1;
  switch (store.kind) {
    case 'sqlite':
      return sqliteStore(config, maxEntries);
    case 'postgres':
      return postgresStore(config, store, maxEntries, options);
    case 'qdrant':
      return new QdrantVectorStore({
        url: required(store.url, 'qdrant').replace(/\/+$/, ''),
        apiKey: store.api_key ?? undefined,
        collection: store.collection,
        timeoutMs: MAX_QDRANT_MS,
        fetch: (url, init) => fetch(url, init),
      });
    case 'redis':
      return redisStore(config, store, options);
  }
}

function required(url: string | null, kind: string): string {
  if (url !== null) return url;
  throw new VectorStoreError(`"cache.semantic.store.url" is missing: the store "${kind}" requires it.`);
}

async function sqliteStore(config: Config, maxEntries: () => number): Promise<VectorStore> {
  const { SqliteThread } = await import('../platform/sqlite-thread.ts');
  const { SqliteVectorStore } = await import('../cache/semantic/stores/sqlite-vector-store.ts');
  let extension: string;
  try {
    const { getLoadablePath } = await import('sqlite-vec');
    extension = getLoadablePath();
  } catch (cause) {
    const message =
      'sqlite-vec has no extension for this system. Use another "cache.semantic.store", such as memory.';
    throw new VectorStoreError(message, { cause });
  }
  const thread = new SqliteThread({ path: join(dataFolder(config), 'semantic-cache.db'), extension });
  return new SqliteVectorStore({ thread, maxEntries });
}

async function postgresStore(
  { storage }: Config,
  { url }: StoreConfig,
  maxEntries: () => number,
  { events }: CacheOptions,
): Promise<VectorStore> {
  const { postgresStatements } = await import('../storage/sql/postgres-statements.ts');
  const { PostgresVectorStore } = await import('../cache/semantic/stores/postgres-vector-store.ts');
  const own = /^postgres/i.test(storage.database_url) ? storage.database_url : null;
  const statements = await postgresStatements(required(url ?? own, 'postgres'), (error) =>
    events.emit('cache.connection_failed', { error }),
  );
  return new PostgresVectorStore({
    query: (sql, params) => statements.query(sql, params),
    maxEntries,
    close: () => statements.close(),
  });
}

async function redisStore(
  { storage }: Config,
  { url }: StoreConfig,
  { events }: CacheOptions,
): Promise<VectorStore> {
  const { RedisVectorStore } = await import('../cache/semantic/stores/redis-vector-store.ts');
  const client = await connectRedis({
    url: required(url ?? storage.redis_url, 'redis'),
    ...redisTls(storage),
    timeoutMs: COMMAND_TIMEOUT_MS,
    onError: (error) => events.emit('cache.connection_failed', { error }),
  });
  return new RedisVectorStore({ client, prefix: storage.redis_prefix, close: () => client.disconnect() });
}
