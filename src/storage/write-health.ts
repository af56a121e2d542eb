/** What is written to the local disk. */
export const WRITE_AREAS = ['database', 'usage_journal', 'engine_ledger'] as const;
export type WriteArea = (typeof WRITE_AREAS)[number];

export interface WriteFault {
  readonly area: WriteArea;
  /** Writes that failed since the last report of the same area. */
  readonly failures: number;
  readonly error: unknown;
}

export interface WriteHealthOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Called at the first failed write, then at most once a minute for each area. */
  readonly onFailed: (fault: WriteFault) => void;
  /** Called when writes succeed again. */
  readonly onRestored: (area: WriteArea) => void;
}

/** A minute, so that a failing disk does not fill the log of every request. */
const REPORT_INTERVAL_MS = 60_000;

interface AreaState {
  /** Tries a write; undefined while writes succeed. */
  probe: (() => void) | undefined;
  failures: number;
  reportedAt: number;
  /** Whether `onFailed` was called without `onRestored` after it. */
  isReported: boolean;
}

/**
 * Records whether the local disk can be written: readiness depends on it. Failed writes report themselves; a probe finds
 * out that they succeed again, because a gateway without traffic writes nothing.
 */
export class WriteHealth {
  readonly #areas: Record<WriteArea, AreaState> = {
    database: newState(),
    usage_journal: newState(),
    engine_ledger: newState(),
  };

  constructor(private readonly options: WriteHealthOptions) {}

  /** Whether the last write to any area failed. */
  get isFailing(): boolean {
    return Object.values(this.#areas).some(({ probe }) => probe !== undefined);
  }

  /** Whether the last write to this area failed. */
  fails(area: WriteArea): boolean {
    return this.#areas[area].probe !== undefined;
  }

  /**
   * Reports a failed write.
   * @param probe tries a write of that kind; it throws while writes fail
   */
  failed(area: WriteArea, error: unknown, probe: () => void): void {
    const { now, onFailed } = this.options;
    const state = this.#areas[area];
    state.probe = probe;
    state.failures += 1;
    if (now() - state.reportedAt < REPORT_INTERVAL_MS) return;
    onFailed({ area, failures: state.failures, error });
    state.reportedAt = now();
    state.failures = 0;
    state.isReported = true;
  }

  /** Tries to write where writes failed; to be called every second. Does nothing while all writes succeed. */
  probe(): void {
    for (const area of WRITE_AREAS) {
      const state = this.#areas[area];
      if (!state.probe) continue;
      try {
        state.probe();
      } catch (error) {
        this.failed(area, error, state.probe);
        continue;
      }
      state.probe = undefined;
      if (state.isReported) this.options.onRestored(area);
      state.isReported = false;
    }
  }
}

function newState(): AreaState {
  return { probe: undefined, failures: 0, reportedAt: Number.NEGATIVE_INFINITY, isReported: false };
}
