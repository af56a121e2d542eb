import type { Config, ProviderConfig } from '../config/schema.ts';
import { systemClock } from '../core/clock.ts';
import type { ModelData } from '../metering/model-data.ts';
import { createUpstreamTransport } from '../platform/upstream-transport.ts';
import { createRoutingState } from '../routing/router.ts';
import { simulatorTransport } from './provider-registry.ts';
import { buildSnapshot, type GatewaySnapshot } from './snapshot.ts';

/** The snapshot of a configuration for commands that only read it: no engine is started, no model discovered. */
export async function offlineSnapshot(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  {
    modelData,
    engines = [],
    random = Math.random,
  }: {
    readonly modelData?: ModelData;
    /** Engines that were found on this machine. */
    readonly engines?: readonly ProviderConfig[];
    readonly random?: () => number;
  } = {},
): Promise<GatewaySnapshot> {
  const routing = createRoutingState();
  const snapshot = await buildSnapshot(config, {
    env,
    clock: systemClock,
    routing,
    random,
    discovered: () => new Map(),
    simulator: simulatorTransport(systemClock),
    createTransport: (http1) => createUpstreamTransport({ env, http1 }),
    engines,
    ...(modelData ? { modelData } : {}),
  });
  routing.states.configure(snapshot.health, snapshot.admission, systemClock.now());
  routing.experiments.configure(snapshot.directory.defined());
  return snapshot;
}
