import type { Config, ProviderConfig } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { createUpstreamTransport } from '../platform/upstream-transport.ts';
import { detectEngines } from '../routing/engine-detection.ts';
import { PROVIDERS } from './provider-registry.ts';
import { usesEnvironment } from './providers.ts';

/** How long the search for engines on this machine waits for each connection. */
const DETECTION_TIMEOUT_MS = 300;

export interface DetectionOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/** Looks for inference servers on the usual ports of this machine, unless providers are configured. */
export async function findEngines(
  config: Config,
  { env, clock }: DetectionOptions,
): Promise<readonly ProviderConfig[]> {
  if (!usesEnvironment(config) || env.WEIR_DETECT_ENGINES === '0') return [];
  const { port, metrics_port, grpc_port } = config.server;
  const transport = createUpstreamTransport({
    env,
    clock,
    http1: { connectTimeoutMs: DETECTION_TIMEOUT_MS },
  });
  try {
    const world = { transports: { upstream: () => transport, builtIn: transport }, clock, env };
    return await detectEngines(
      (config) => PROVIDERS.create(config, world),
      [port, metrics_port, grpc_port].filter((one) => one !== null),
    );
  } finally {
    transport.close();
  }
}
