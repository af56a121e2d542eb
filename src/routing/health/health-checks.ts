import { decodeLossyUtf8 } from '../../core/bytes.ts';
import type { EventSink } from '../../events/event-bus.ts';
import { sendBuffered } from '../../providers/buffered-call.ts';
import { type EngineMetrics, readEngineMetrics } from '../../providers/engine-load.ts';
import type { Provider } from '../../providers/types.ts';
import type { EngineLoads } from '../engine-loads.ts';
import type { TargetStates } from './target-states.ts';

/** How health checks are made and judged. */
export interface HealthCheckSettings {
  /** Milliseconds. */
  readonly timeoutMs: number;
  /** Consecutive checks that change the verdict. */
  readonly failures: number;
  readonly successes: number;
}

interface Streak {
  good: boolean;
  length: number;
}

/** Of a health page or of metrics, which have some hundred kilobytes. */
const MAX_PROBE_BYTES = 2 * 1024 * 1024;

function atHost({ baseUrl }: Provider, path: string): string {
  return new URL(path, `${baseUrl}/`).href;
}

async function probe(provider: Provider, path: string, timeoutMs: number) {
  const request = await provider.adapter.authorize(
    {
      method: 'GET',
      url: atHost(provider, path),
      headers: { 'accept-encoding': 'identity', ...provider.headers },
    },
    provider,
  );
  return sendBuffered(provider, request, timeoutMs, MAX_PROBE_BYTES);
}

/**
 * Active health checks of engines. A failing check makes a provider unavailable; a passing one closes no breaker,
 * because some engines report healthy while every request fails.
 */
export class HealthChecks {
  readonly #streaks = new Map<string, Streak>();

  constructor(
    private readonly states: TargetStates,
    private readonly now: () => number,
    private readonly events: EventSink,
  ) {}

  /** Checks every engine among the providers, once. Never rejects. */
  async round(providers: readonly Provider[], settings: HealthCheckSettings): Promise<void> {
    const checked = providers.filter(({ profile }) => profile.healthPath !== undefined);
    await Promise.all(checked.map((provider) => this.#check(provider, settings)));
    const known = new Set(providers.map(({ id }) => id));
    for (const id of this.#streaks.keys()) if (!known.has(id)) this.#streaks.delete(id);
  }

  async #check(provider: Provider, { timeoutMs, failures, successes }: HealthCheckSettings): Promise<void> {
    const good = await probe(provider, provider.profile.healthPath ?? '/', timeoutMs).then(
      // An engine without this path responds at least.
      ({ status }) => status < 500,
      () => false,
    );
    const streak = this.#streaks.get(provider.id);
    const length = streak?.good === good ? streak.length + 1 : 1;
    this.#streaks.set(provider.id, { good, length });
    if (length < (good ? successes : failures)) return;
    const before = this.states.healthOf(provider.id);
    this.states.checked(provider.id, good, this.now());
    if (before !== good && (before !== undefined || !good)) {
      this.events.emit('provider.health_changed', { provider: provider.id, healthy: good });
    }
  }
}

/** The metrics of an engine, or why there are none. `absent`: it does not serve any. */
export type EngineProbe =
  | { readonly kind: 'read'; readonly metrics: EngineMetrics }
  | { readonly kind: 'failed'; readonly reason: 'unreachable' | 'status' }
  | { readonly kind: 'absent' };

/** Statuses of engines whose metrics are not compiled in or not switched on. */
const ABSENT: ReadonlySet<number> = new Set([404, 405, 501]);

/**
 * Reads the load gauges of engines. Never rejects: without gauges, attempts in flight are used instead.
 *
 * @param onProbe receives each engine's metrics, by provider id
 */
export async function readEngineLoads(
  providers: readonly Provider[],
  loads: EngineLoads,
  timeoutMs: number,
  onProbe: (provider: string, probed: EngineProbe) => void = () => undefined,
): Promise<void> {
  const asked = providers.filter(({ profile }) => profile.loadPath !== undefined);
  await Promise.all(
    asked.map(async (provider) => {
      const probed = await probeEngine(provider, timeoutMs);
      loads.set(provider.id, probed.kind === 'read' ? probed.metrics.load : undefined);
      onProbe(provider.id, probed);
    }),
  );
}

async function probeEngine(provider: Provider, timeoutMs: number): Promise<EngineProbe> {
  try {
    const { status, body } = await probe(provider, provider.profile.loadPath ?? '/', timeoutMs);
    if (status === 200) return { kind: 'read', metrics: readEngineMetrics(decodeLossyUtf8(body)) };
    return ABSENT.has(status) ? { kind: 'absent' } : { kind: 'failed', reason: 'status' };
  } catch {
    // Health checks report that the engine is away; here it counts as a failed read.
    return { kind: 'failed', reason: 'unreachable' };
  }
}
