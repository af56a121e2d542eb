import type { Target } from '../providers/types.ts';

/** Counts attempts in flight per target. Outlives configuration changes, since attempts do. */
export class TargetLoad {
  readonly #inflight = new Map<string, number>();

  static key(target: Target): string {
    return `${target.provider.id}/${target.model}`;
  }

  inflight(target: Target): number {
    return this.#inflight.get(TargetLoad.key(target)) ?? 0;
  }

  /** Takes a slot; the returned function gives it back, once. */
  acquire(target: Target): () => void {
    const key = TargetLoad.key(target);
    this.#inflight.set(key, this.inflight(target) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (this.#inflight.get(key) ?? 1) - 1;
      if (left > 0) this.#inflight.set(key, left);
      else this.#inflight.delete(key);
    };
  }

  total(): number {
    let sum = 0;
    for (const count of this.#inflight.values()) sum += count;
    return sum;
  }
}
