import type { Config } from '../config/schema.ts';
import { engineHealthPath } from '../providers/registry.ts';
import type { EnginePoolSettings, EngineSpec } from './types.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that engines do not inherit: the gateway's settings and providers' API keys. */
const PRIVATE = /^(?:WEIR_|SERVER_|LOG_|BUN_)|^(?:METRICS_PORT|DATABASE_URL|REDIS_URL)$|_API_KEY$/;

/** @returns the pool settings of a configuration */
export function poolSettings({ engines }: Config): EnginePoolSettings {
  return {
    maxLoaded: engines.max_loaded ?? Number.POSITIVE_INFINITY,
    idleMs: engines.idle_timeout ?? Number.POSITIVE_INFINITY,
    swapAfterMs: engines.swap_after,
    healthEveryMs: engines.health.interval,
    healthFailures: engines.health.failures,
  };
}

/**
 * @param portOf returns the port of an engine by its id
 * @returns the configured engines; they inherit the environment without private variables
 */
export function engineSpecs(
  { engines }: Config,
  environment: Environment,
  portOf: (id: string) => number,
): EngineSpec[] {
  const inherited = Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value === undefined || PRIVATE.test(name) ? [] : [[name, value]],
    ),
  );
  return engines.commands.map((engine) => {
    const gpus = engine.gpus.join(',');
    return {
      id: engine.id,
      command: engine.command,
      env: {
        ...inherited,
        ...(gpus === '' ? {} : { CUDA_VISIBLE_DEVICES: gpus, HIP_VISIBLE_DEVICES: gpus }),
        ...engine.env,
      },
      cwd: engine.cwd ?? undefined,
      port: portOf(engine.id),
      healthPath: engineHealthPath(engine),
      startTimeoutMs: engine.start_timeout,
      stopTimeoutMs: engine.stop_timeout,
      preload: engine.preload,
    };
  });
}
