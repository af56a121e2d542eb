import type { Config } from '../../config/schema.ts';
import { WorkersNotPossibleError } from './worker-errors.ts';

/** @throws WorkersNotPossibleError when the configuration or the system needs one process */
export function assertForWorkers(config: Config, platform: string = process.platform): void {
  const reasons = [
    ...(platform === 'linux' ? [] : ['only Linux distributes the connections of one port among processes']),
    ...(config.engines.commands.length > 0
      ? ['"engines.commands" are started and stopped by one process']
      : []),
    ...(config.cache?.semantic?.store?.kind === 'sqlite'
      ? [
          'the store "sqlite" of "cache.semantic" is written by one process (use "postgres", "qdrant" or "redis")',
        ]
      : []),
  ];
  if (reasons.length === 0) return;
  throw new WorkersNotPossibleError(
    `--workers is not possible: ${reasons.join('; ')}. Start Weir without --workers.`,
  );
}
