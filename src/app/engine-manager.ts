import type { Clock } from '../core/clock.ts';
import { EngineManager } from '../engines/engine-manager.ts';
import type { EventSink } from '../events/event-bus.ts';
import { spawnProcess } from '../platform/child-process.ts';
import { isPortInUse } from '../platform/ports.ts';
import { ProcessLedger } from '../platform/process-ledger.ts';
import type { TargetStates } from '../routing/health/target-states.ts';
import type { WriteHealth } from '../storage/write-health.ts';

const ENGINE_HEALTH_TIMEOUT_MS = 2_000;

export interface EngineManagerOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly events: EventSink;
  readonly states: TargetStates;
  /** The file that lists the running engines, so that the next gateway can stop those of a crashed one. */
  readonly ledgerFile: string;
  /** Learns of writes that the disk rejects. */
  readonly writes: WriteHealth;
}

/** Engines on demand, as real processes. Stops those that a crashed gateway left running. */
export function createEngineManager({
  env,
  clock,
  events,
  states,
  ledgerFile,
  writes,
}: EngineManagerOptions): EngineManager {
  const ledger = new ProcessLedger(ledgerFile, (error, retry) =>
    writes.failed('engine_ledger', error, retry),
  );
  const count = ledger.endLeftovers();
  // Also when the process is made to exit at once, without an orderly shutdown.
  process.once('exit', () => ledger.endLeftovers());
  if (count > 0) events.emit('engine.orphans_stopped', { count });
  return new EngineManager(
    {
      clock,
      spawn: ledger.noting(spawnProcess),
      isHealthy: async ({ port, healthPath }) => {
        try {
          const url = new URL(healthPath, `http://127.0.0.1:${port}/v1/`);
          const response = await fetch(url, { signal: AbortSignal.timeout(ENGINE_HEALTH_TIMEOUT_MS) });
          await response.arrayBuffer();
          // A server that wants a key (401) is healthy, too.
          return response.status < 500;
        } catch {
          // Not listening yet, or no response in time.
          return false;
        }
      },
      isPortInUse,
      events,
    },
    env,
    (id) => states.inflightAt(id),
  );
}
