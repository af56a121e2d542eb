import type { Target } from '../../providers/types.ts';
import type { LimitSetting } from '../admission/concurrency-limit.ts';
import { PRIORITIES, type Priority, type Waiting } from '../admission/fair-queue.ts';
import { TargetGate } from '../admission/target-gate.ts';
import { DEFAULT_HEALTH, type HealthSettings, TargetState } from './target-state.ts';

/** Clients may name any model of some providers; idle states beyond this number are dropped. */
const MAX_MODELS_PER_PROVIDER = 1_000;

/** Concurrency limits and queues of targets. */
export interface AdmissionSettings {
  /** For targets without a limit of their own. */
  readonly limit: LimitSetting;
  /** By `provider-id/upstream-model`; applies to each API key where a provider has several. */
  readonly limits: ReadonlyMap<string, LimitSetting>;
  /** Largest number of requests that queue for one target. */
  readonly maxQueued: number;
}

export const NO_ADMISSION: AdmissionSettings = { limit: null, limits: new Map(), maxQueued: 1_000 };

/** The state of every target. Survives reloads, because attempts and open breakers do. */
export class TargetStates {
  readonly #providers = new Map<string, Map<string, TargetState>>();
  readonly #health = new Map<string, boolean>();
  /** Targets that were unhealthy or limited when they were read last. */
  readonly #unhealthyTargets = new Set<TargetState>();

  #settings: HealthSettings = DEFAULT_HEALTH;
  #admission = NO_ADMISSION;

  /** Applies new settings; measurements and queued requests stay. @param now monotonic milliseconds */
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

  /** @returns the number of queued requests; one that queues for several targets counts once */
  queued(): number {
    const waiting = new Set<unknown>();
    for (const models of this.#providers.values()) {
      for (const { gate } of models.values()) for (const one of gate?.queue.all() ?? []) waiting.add(one);
    }
    return waiting.size;
  }

  /** @returns as `queued`, by priority */
  queuedByPriority(): ReadonlyMap<Priority, number> {
    const counts = new Map<Priority, number>(PRIORITIES.map((priority) => [priority, 0]));
    const waiting = new Set<Waiting>();
    for (const models of this.#providers.values()) {
      for (const { gate } of models.values()) for (const one of gate?.queue.all() ?? []) waiting.add(one);
    }
    for (const { priority } of waiting) counts.set(priority, (counts.get(priority) ?? 0) + 1);
    return counts;
  }

  /** @returns a unique text for a target and its API key */
  static key({ provider, model }: Target): string {
    return `${provider.id}/${model}${suffixOf(provider.account)}`;
  }

  /** @returns the state of a target, which is created on first use */
  of({ provider: { id, account }, model }: Target): TargetState {
    const name = account === undefined ? model : model + suffixOf(account);
    return this.#providers.get(id)?.get(name) ?? this.#create(id, model, account);
  }

  /** The same, and the state is never dropped. */
  retain(target: Target): TargetState {
    const state = this.of(target);
    state.retained = true;
    return state;
  }

  /** @returns the known states of one provider */
  ofProvider(id: string): IterableIterator<TargetState> {
    return (this.#providers.get(id) ?? new Map<string, TargetState>()).values();
  }

  /** @returns attempts in flight at one provider */
  inflightAt(provider: string): number {
    let sum = 0;
    for (const { inflight } of this.ofProvider(provider)) sum += inflight;
    return sum;
  }

  /** @returns the verdict of health checks; undefined where there is none */
  healthOf(provider: string): boolean | undefined {
    return this.#health.get(provider);
  }

  /** Sets the verdict of health checks for all targets of a provider, including future ones. */
  checked(provider: string, healthy: boolean, now: number): void {
    this.#health.set(provider, healthy);
    for (const state of this.ofProvider(provider)) state.checked(healthy, now);
  }

  /** @returns whether all of these are healthy and unlimited; reads only targets that were not */
  allHealthy(states: ReadonlySet<TargetState>, now: number): boolean {
    for (const state of this.#unhealthyTargets) {
      if (state.isHealthy(now)) this.#unhealthyTargets.delete(state);
      else if (states.has(state)) return false;
    }
    return true;
  }

  /** @returns attempts in flight on all targets */
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
      // Queued requests are removed and evaluate their targets again.
      gate?.close();
    } else if (gate) gate.configure(setting, maxQueued);
    else state.gate = new TargetGate(setting, maxQueued);
    if (state.gate) this.#unhealthyTargets.add(state);
  }
}

/** The separator cannot be part of a model name. */
function suffixOf(account: number | undefined): string {
  return account === undefined || account === 1 ? '' : `\u0000#${account}`;
}
