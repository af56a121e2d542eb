import type { Config } from '../config/schema.ts';
import type { EventConsumer } from '../events/event-dispatcher.ts';
import { RedisEventStreams } from '../events/redis-event-streams.ts';
import type { Job } from './job-runner.ts';
import { RedisConnection, redisSettings } from './redis-connection.ts';
import type { Stores } from './stores.ts';

/** Streams of durable events in Redis. */
export interface RedisStreamParts {
  readonly consumer: EventConsumer;
  readonly jobs: readonly Job[];
  close(): Promise<void>;
}

/** @returns undefined without Redis, or without `storage.redis_event_streams` */
export function createRedisStreams(
  config: Config,
  { control }: Pick<Stores, 'control'>,
): RedisStreamParts | undefined {
  const { redis_event_streams: length, redis_prefix: prefix } = config.storage;
  const settings = redisSettings(config);
  if (!settings || length === null) return undefined;
  const connection = new RedisConnection(settings);
  const consumer = new RedisEventStreams({ control, connect: () => connection.open(), prefix, length });
  return {
    consumer,
    jobs: [
      {
        name: 'append events that Redis lost',
        everyMs: 10_000,
        impact: 'readers of the streams in Redis miss events',
        run: () => consumer.repair(),
      },
    ],
    close: () => connection.close(),
  };
}
