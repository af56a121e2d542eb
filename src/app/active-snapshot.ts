import type { Config } from '../config/schema.ts';
import type { GuardrailSets } from '../guardrails/guardrail-sets.ts';
import type { Next } from '../pipeline/interceptor.ts';
import type { GatewaySnapshot } from './snapshot.ts';

/** A snapshot that serves requests. */
export interface ServingSnapshot extends GatewaySnapshot {
  readonly chain: Next;
  readonly guardrails: GuardrailSets;
}

/** The active configuration and the snapshot built from it. A reload replaces both. */
export class ActiveSnapshot {
  #config: Config;
  #snapshot: ServingSnapshot | undefined;

  /** @param config known before its snapshot: stores are opened with it, and the snapshot is built after them */
  constructor(config: Config) {
    this.#config = config;
  }

  get config(): Config {
    return this.#config;
  }

  /** @throws Error before the first snapshot is built */
  get current(): ServingSnapshot {
    if (!this.#snapshot) throw new Error('the first configuration snapshot is not built yet');
    return this.#snapshot;
  }

  /** @returns the previous snapshot, which the caller closes */
  replace(next: ServingSnapshot): ServingSnapshot | undefined {
    const previous = this.#snapshot;
    this.#snapshot = next;
    this.#config = next.config;
    return previous;
  }
}
