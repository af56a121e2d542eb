import type { Clock } from '../core/clock.ts';
import { lazy } from '../core/lazy.ts';
import type { Transport } from '../core/transport.ts';
import { createFetchTransport } from '../platform/fetch-transport.ts';
import { ProviderRegistry } from '../providers/registry.ts';
import { MODELS } from '../simulator/models.ts';

/** The providers of this build, the simulator among them. */
export const PROVIDERS = new ProviderRegistry({
  kind: 'simulator',
  profile: {
    label: 'Simulator',
    // Never resolved: the transport below answers in this process.
    baseUrl: 'http://simulator.internal/v1',
    streamUsage: 'on-request',
    modelPattern: /^simulator(?:$|[-:])/,
    forwardHeaders: ['x-weir-simulate', 'x-stainless-retry-count'],
    topK: true,
    rerankPath: '/rerank',
    needsKey: false,
    isSimulated: true,
  },
  models: Object.keys(MODELS),
});

/** Carries requests to the simulator, which is loaded with the first one. */
export function simulatorTransport(clock: Clock): Transport {
  const simulator = lazy(async () => (await import('../simulator/index.ts')).createSimulator({ clock }));
  return createFetchTransport(async (url, init) => (await simulator())(new Request(url, init)));
}
