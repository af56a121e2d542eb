/** The label value of everything that has no series of its own. */
export const OTHER = 'other';

export const DEFAULT_MAX_SERIES = 100;

/**
 * Labels whose values Weir defines: few, and known in advance. Operators, clients, plugins and machines choose the values of
 * all other labels, which are bounded. A new label is bounded until it is added here.
 */
const CLOSED_LABELS: ReadonlySet<string> = new Set([
  'action',
  'area',
  'backend',
  'code',
  'credential',
  'direction',
  'error_type',
  'gen_ai_operation_name',
  'gen_ai_token_type',
  'hook',
  'kind',
  'limit',
  'method',
  'mode',
  'operation',
  'outcome',
  'priority',
  'quota',
  'reason',
  'result',
  'route',
  'same',
  'scope',
  'side',
  'sink',
  'stage',
  'status',
  'stream',
  'throttled',
  'version',
  'window',
]);

/**
 * Bounds the label sets of one metric. The first ones are kept; in later ones, every open label has the value `other`.
 * The remaining labels keep their values, so that errors among the others stay visible.
 */
export class SeriesBound {
  readonly #open: readonly boolean[];
  readonly #isOpen: boolean;
  /** What all others share, when every label is open. */
  readonly #others: readonly string[] | undefined;
  #count = 0;

  /**
   * @param names of the labels
   * @param max number of label sets that are kept, at least 1; read again for each new one
   * @param alsoOpen labels of this metric that are open, though they are not in others
   */
  constructor(
    names: readonly string[],
    private readonly max: () => number,
    alsoOpen: readonly string[] = [],
  ) {
    this.#open = names.map((name) => !CLOSED_LABELS.has(name) || alsoOpen.includes(name));
    this.#isOpen = this.#open.includes(true);
    if (!this.#open.includes(false)) this.#others = names.map(() => OTHER);
  }

  /** @returns the values under which a label set that has no series yet is counted: its own, or with `other` */
  admit(values: readonly string[]): readonly string[] {
    if (!this.#isOpen || this.isOther(values)) return values;
    if (this.#count >= this.max()) {
      return this.#others ?? values.map((value, index) => (this.#open[index] ? OTHER : value));
    }
    this.#count += 1;
    return values;
  }

  /** @returns whether several label sets share the series with these values */
  isOther(values: readonly string[]): boolean {
    return this.#isOpen && values.every((value, index) => !this.#open[index] || value === OTHER);
  }

  /** Forgets all label sets. */
  clear(): void {
    this.#count = 0;
  }
}
