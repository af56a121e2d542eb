import { redisProgram } from '../../app/workers/private-redis.ts';
import { assertForWorkers } from '../../app/workers/requirements.ts';
import type { Config } from '../../config/schema.ts';
import { type Finding, messageOf } from './finding.ts';

/**
 * What workers need.
 * @param searchPath the variable `PATH`
 * @returns nothing where no workers are configured
 */
export function checkWorkers(config: Config, searchPath: string | undefined): Finding[] {
  const { workers } = config.server;
  if (workers === null) return [];
  const check = 'workers';
  try {
    assertForWorkers(config);
  } catch (error) {
    const advice = 'Change that, or remove "server.workers". docs/workers.md lists what workers need.';
    return [{ check, level: 'problem', message: messageOf(error), advice }];
  }
  if (config.storage.redis_url !== null) {
    return [{ check, level: 'ok', message: `${workers}, with the Redis of the configuration` }];
  }
  const program = redisProgram(searchPath);
  if (program !== undefined)
    return [{ check, level: 'ok', message: `${workers}, with a private ${program}` }];
  return [
    {
      ...{ check, level: 'problem', message: 'no Redis: neither redis-server nor valkey-server is in PATH' },
      advice: 'Install one (apt-get install redis-server), or set REDIS_URL.',
    },
  ];
}
