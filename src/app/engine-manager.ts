import type { Clock } from '../core/clock.ts';
import { EngineManager } from '../engines/engine-manager.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { spawnProcess } from '../platform/child-process.ts';
import { portTaken } from '../platform/ports.ts';
import { ProcessLedger } from '../platform/process-ledger.ts';
import type { TargetStates } from '../routing/health/target-states.ts';

const ENGINE_HEALTH_TIMEOUT_MS = 2_000;

export interface EngineManagerOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly states: TargetStates;
  /** Where it is noted which engines run. */
  readonly ledgerFile: string;
}

/** Engines as real processes, with what happens to them in the log and the metrics. */
export function createEngineManager({
  env,
  clock,
  log: { logger },
  metrics,
  states,
  ledgerFile,
}: EngineManagerOptions): EngineManager {
  const ledger = new ProcessLedger(ledgerFile);
  const count = ledger.endLeftovers();
  // Also when the process is made to end at once, and nobody stops them in order.
  process.once('exit', () => ledger.endLeftovers());
  if (count > 0) logger.warn({ count }, 'engines that an earlier gateway had left running were ended');
  return new EngineManager(
    {
      clock,
      spawn: ledger.noting(spawnProcess),
      isWell: async ({ port, healthPath }) => {
        try {
          const url = new URL(healthPath, `http://127.0.0.1:${port}/v1/`);
          const response = await fetch(url, { signal: AbortSignal.timeout(ENGINE_HEALTH_TIMEOUT_MS) });
          await response.arrayBuffer();
          // A server that wants a key is well, too.
          return response.status < 500;
        } catch {
          // Not listening yet, or hanging: not well.
          return false;
        }
      },
      portTaken,
      observer: {
        engineLoaded: (engine, ms) => {
          metrics.engineLoads.labels(engine).inc();
          logger.info({ engine, load_ms: Math.round(ms) }, 'engine is loaded');
        },
        engineStopped: (engine, reason) => logger.info({ engine, reason }, 'engine is being stopped'),
        engineFailed: (engine, reason, output) => {
          metrics.engineFailures.labels(engine).inc();
          logger.error({ engine, reason, output }, 'engine has failed');
        },
        engineLine: (engine, line) => logger.debug({ engine }, line),
      },
    },
    env,
    (id) => states.inflightAt(id),
  );
}
