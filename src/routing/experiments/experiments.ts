import type { EventSink } from '../../events/event-bus.ts';
import type { ModelRoute } from '../directory.ts';
import type { RequestFacts } from '../request-facts.ts';
import { CanaryWatch, type Sample, type SideSummary } from './canary.ts';
import type { CanarySettings, ExperimentSettings } from './settings.ts';
import { CANARY, CONTROL, type Variant, variantOf } from './variants.ts';

/** The part of one request in an experiment. */
export interface Participation {
  /** Id of the requested model. */
  readonly model: string;
  readonly variant: string;
}

/** A canary as operators see it. */
export interface CanaryStatus {
  readonly model: string;
  readonly canary: string;
  readonly percent: number;
  readonly state: 'running' | 'rolled_back' | 'stopped';
  readonly reason: string | undefined;
  readonly sides: { readonly canary: SideSummary; readonly stable: SideSummary };
}

interface Running {
  readonly settings: CanarySettings;
  readonly watch: CanaryWatch;
  /** Why it gets no more requests; undefined while it runs. */
  ended: { readonly state: 'rolled_back' | 'stopped'; readonly reason: string | undefined } | undefined;
}

/** Assigns requests to variants and compares canaries. Survives reloads, so that a rolled-back canary stays rolled back. */
export class Experiments {
  readonly #canaries = new Map<string, Running>();

  /** @param random 0 to below 1 */
  constructor(
    private readonly random: () => number,
    private readonly events: EventSink,
  ) {}

  /** Applies the canaries of a configuration. One with unchanged settings keeps its samples; others start again. */
  configure(
    models: readonly { readonly id: string; readonly experiments: ExperimentSettings | undefined }[],
  ): void {
    const kept = new Set<string>();
    for (const { id, experiments } of models) {
      const canary = experiments?.canary;
      if (!canary) continue;
      kept.add(id);
      const known = this.#canaries.get(id);
      if (known && JSON.stringify(known.settings) === JSON.stringify(canary)) continue;
      this.#canaries.set(id, { settings: canary, watch: new CanaryWatch(canary), ended: undefined });
    }
    for (const id of this.#canaries.keys()) if (!kept.has(id)) this.#canaries.delete(id);
  }

  /** @returns the variant of a request; undefined where its model has no experiment */
  assign(
    { id, experiments }: ModelRoute,
    facts: RequestFacts,
  ): (Participation & { readonly to: string | undefined }) | undefined {
    if (!experiments) return undefined;
    const { split } = experiments;
    const running = this.#canaries.get(id);
    if (split.length === 0 && !running) return undefined;
    const variants: readonly Variant[] = running
      ? running.ended
        ? []
        : [{ ...running.settings, name: CANARY }]
      : split;
    const variant = variantOf(id, variants, facts.affinity, this.random);
    return { model: id, variant: variant?.name ?? CONTROL, to: variant?.model };
  }

  /** Records a finished request. @param now monotonic milliseconds */
  record({ model, variant }: Participation, sample: Sample, now: number): void {
    const running = this.#canaries.get(model);
    if (!running || running.ended) return;
    const reason = running.watch.record(variant === CANARY, sample, now);
    if (reason === undefined) return;
    running.ended = { state: 'rolled_back', reason };
    this.events.emit('canary.rolled_back', { model, canary: running.settings.model, reason });
  }

  /** Restarts or stops a canary. @returns whether the model has one */
  decide(model: string, action: 'resume' | 'stop'): boolean {
    const running = this.#canaries.get(model);
    if (!running) return false;
    if (action === 'stop') running.ended = { state: 'stopped', reason: 'stopped by an operator' };
    else {
      const { settings } = running;
      this.#canaries.set(model, { settings, watch: new CanaryWatch(settings), ended: undefined });
    }
    return true;
  }

  /** @returns all configured canaries */
  canaries(): CanaryStatus[] {
    return [...this.#canaries].map(([model, { settings, watch, ended }]) => ({
      model,
      canary: settings.model,
      percent: settings.percent,
      state: ended?.state ?? 'running',
      reason: ended?.reason,
      sides: watch.summary(),
    }));
  }
}
