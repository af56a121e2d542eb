import type { Config } from '../config/schema.ts';
import { freePort } from '../platform/ports.ts';
import type { LazyEngine } from '../providers/types.ts';
import type { EngineWorld } from './engine.ts';
import { EnginePool } from './engine-pool.ts';
import { engineSpecs, poolSettings } from './specs.ts';

/** The engines of the active configuration. Each keeps its port across reloads. */
export class EngineManager {
  readonly pool: EnginePool;
  readonly #ports = new Map<string, number>();

  constructor(
    world: EngineWorld,
    private readonly env: Readonly<Record<string, string | undefined>>,
    inflight: (id: string) => number,
  ) {
    const settings = { maxLoaded: 1, idleMs: 0, swapAfterMs: 0, healthEveryMs: 5_000, healthFailures: 3 };
    this.pool = new EnginePool(world, settings, inflight);
  }

  /** Allocates ports for engines without one. Call before their providers are created. */
  async prepare({ engines }: Config): Promise<void> {
    for (const { id, port } of engines.commands) {
      if (port !== null) this.#ports.set(id, port);
      else if (!this.#ports.has(id)) this.#ports.set(id, await freePort());
    }
  }

  /** Applies a configuration that `prepare` has seen. */
  configure(config: Config): void {
    this.pool.configure(
      poolSettings(config),
      engineSpecs(config, this.env, (id) => this.portOf(id)),
    );
  }

  /** @returns the engine's port; 0 for an unknown engine */
  portOf(id: string): number {
    return this.#ports.get(id) ?? 0;
  }

  /** @returns the engine as its provider uses it: loaded on the first request */
  lazyEngine(id: string): LazyEngine {
    const { pool } = this;
    return {
      get loaded() {
        return pool.isReady(id);
      },
      ensureLoaded: () => pool.ensureLoaded(id),
    };
  }
}
