import type { Target } from '../../providers/types.ts';
import type { LimitSetting } from '../admission/concurrency-limit.ts';
import { TargetGate } from '../admission/target-gate.ts';
import { DEFAULT_HEALTH, type HealthSettings, TargetState } from './target-state.ts';

/** Model names come from clients where a provider takes any; states at rest beyond this many are dropped. */
const MAX_MODELS_PER_PROVIDER = 1_000;

export interface AdmissionSettings {
  /** Of a target that has none of its own. */
  readonly limit: LimitSetting;
  /** By `provider-id/upstream-model`; of each key, where a provider has several. */
  readonly limits: ReadonlyMap<string, LimitSetting>;
  /** Requests that may wait for one target. */
  readonly maxQueued: number;
}

export const NO_ADMISSION: AdmissionSettings = { limit: null, limits: new Map(), maxQueued: 1_000 };

/** The condition of every target. Outlives configuration changes, since attempts do, and breakers should. */
export class TargetStates {
  readonly #providers = new Map<string, Map<string, TargetState>>();
  readonly #health = new Map<string, boolean>();
  /** Those that something was the matter with when they were looked at last. */
  readonly #unhealthyTargets = new Set<TargetState>();

  #settings: HealthSettings = DEFAULT_HEALTH;
  #admission = NO_ADMISSION;

  /** Takes new settings over; what was measured stays, and so do those who wait. */
  configure(settings: HealthSettings, admission: AdmissionSettings, now: number): void {
    this.#settings = settings;
    this.#admission = admission;
    for (const [provider, models] of this.#providers) {
      for (const state of models.values()) {
        this.#limit(state, `${provider}/${state.of.model}`);
        state.admitWaiting(now);
      }
    }
  }

  /** Requests that wait for a target. */
  queued(): number {
    const waiting = new Set<unknown>();
    for (const models of this.#providers.values()) {
      for (const { gate } of models.values()) for (const one of gate?.queue.all() ?? []) waiting.add(one);
    }
    return waiting.size;
  }

  static key({ provider, model }: Target): string {
    return `${provider.id}/${model}${suffixOf(provider.account)}`;
  }

  of({ provider: { id, account }, model }: Target): TargetState {
    const name = account === undefined ? model : model + suffixOf(account);
    return this.#providers.get(id)?.get(name) ?? this.#create(id, model, account);
  }

  /** The same, and it stays for as long as the process does. */
  retain(target: Target): TargetState {
    const state = this.of(target);
    state.retained = true;
    return state;
  }

  /** Those of one provider that have been used. */
  ofProvider(id: string): IterableIterator<TargetState> {
    return (this.#providers.get(id) ?? new Map<string, TargetState>()).values();
  }

  /** Attempts in flight at one provider. */
  inflightAt(provider: string): number {
    let sum = 0;
    for (const { inflight } of this.ofProvider(provider)) sum += inflight;
    return sum;
  }

  /** What checks say of a provider; undefined where nobody checks, or not yet. */
  healthOf(provider: string): boolean | undefined {
    return this.#health.get(provider);
  }

  /** Takes the word of a check on a provider over, for all of its targets, known and to come. */
  checked(provider: string, healthy: boolean, now: number): void {
    this.#health.set(provider, healthy);
    for (const state of this.ofProvider(provider)) state.checked(healthy, now);
  }

  /** Whether nothing is the matter with any of these. Costs next to nothing while nothing is with any at all. */
  allHealthy(states: ReadonlySet<TargetState>, now: number): boolean {
    for (const state of this.#unhealthyTargets) {
      if (state.isHealthy(now)) this.#unhealthyTargets.delete(state);
      else if (states.has(state)) return false;
    }
    return true;
  }

  /** Attempts in flight, on all targets together. */
  total(): number {
    let sum = 0;
    for (const models of this.#providers.values())
      for (const { inflight } of models.values()) sum += inflight;
    return sum;
  }

  #create(providerId: string, model: string, account: number | undefined): TargetState {
    let models = this.#providers.get(providerId);
    if (!models) {
      models = new Map();
      this.#providers.set(providerId, models);
    }
    if (models.size >= MAX_MODELS_PER_PROVIDER) {
      for (const [name, { inflight, override, gate, retained }] of models) {
        if (!retained && inflight === 0 && override === undefined && !gate?.queue.size) models.delete(name);
      }
    }
    const state = new TargetState(
      () => this.#settings,
      (unhealthyTargets) => this.#unhealthyTargets.add(unhealthyTargets),
      { model, account },
    );
    const healthy = this.#health.get(providerId);
    if (healthy !== undefined) state.checked(healthy, 0);
    this.#limit(state, `${providerId}/${model}`);
    models.set(model + suffixOf(account), state);
    return state;
  }

  #limit(state: TargetState, key: string): void {
    const { limit, limits, maxQueued } = this.#admission;
    const setting = limits.get(key) ?? limit;
    const { gate } = state;
    if (setting === null) {
      state.gate = undefined;
      // Nothing holds them back any more, except that they have to be told: each looks again.
      gate?.close();
    } else if (gate) gate.configure(setting, maxQueued);
    else state.gate = new TargetGate(setting, maxQueued);
    if (state.gate) this.#unhealthyTargets.add(state);
  }
}

/** No model's name has this in it. */
function suffixOf(account: number | undefined): string {
  return account === undefined || account === 1 ? '' : `\u0000#${account}`;
}
