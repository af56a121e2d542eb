import type Counter from 'prom-client/lib/counter.js';
import type Gauge from 'prom-client/lib/gauge.js';
import type Histogram from 'prom-client/lib/histogram.js';
import type { HistogramSample } from 'prom-client/lib/histogram.js';
import { hashObject } from 'prom-client/lib/util.js';
import type { SeriesBound } from './series-bound.ts';

/**
 * Children that write to prom-client's samples. prom-client's own `labels()` binds the label values only: each
 * operation checks them again, joins them to a key and looks it up. That was a fifth of a plain request's CPU.
 */

/** A child of a counter: the time series with one set of label values. */
export interface CounterChild {
  /** @param by finite and not negative; 1 when absent. @throws RangeError when it is negative or not finite */
  inc(by?: number): void;
  readonly value: number;
}

export interface GaugeChild {
  /** @throws RangeError when the value is not finite */
  set(value: number): void;
  readonly value: number;
}

/**
 * The trace of one observation of a bucket, in the form that prom-client prints.
 *
 * @see https://prometheus.io/docs/specs/om/open_metrics_spec/#exemplars
 */
export interface Exemplar {
  readonly labelSet: { readonly trace_id: string };
  readonly value: number;
  /** Unix time. */
  readonly timestamp: number;
}

export interface HistogramChild {
  /**
   * @param traceId of the trace that the bucket refers to; undefined for an observation that no exported trace has
   * @throws RangeError when the value is not finite
   */
  observe(value: number, traceId?: string): void;
  /** Observations of each bucket, not cumulative. The last bucket has no upper bound. */
  readonly counts: ArrayLike<number>;
  readonly sum: number;
  readonly count: number;
  /** The last exemplar of each bucket; undefined before the first. */
  readonly exemplars: readonly (Exemplar | undefined)[] | undefined;
  /** Copies the observations to the sample that prom-client formats. */
  publish(): void;
}

/** A child with its label values, in the order of the label names. */
export interface LabelledChild<Child> {
  readonly values: readonly string[];
  readonly child: Child;
}

/** The children of one family, one for each set of label values. */
export class MetricChildren<Child> {
  #root = new ChildNode<Child>();
  readonly #all: LabelledChild<Child>[] = [];

  /**
   * @param bound decides which label values get a child of their own
   * @param create makes the child of label values that are new
   */
  constructor(
    private readonly bound: SeriesBound,
    private readonly create: (values: readonly string[]) => Child,
  ) {}

  /** @param values in the order of the label names. @returns their child, or the one of all `other` values */
  of(values: readonly string[]): Child {
    let node: ChildNode<Child> | undefined = this.#root;
    for (const value of values) node = node?.next.get(value);
    return node?.child ?? this.#add(values);
  }

  /** In the order of their creation. */
  all(): readonly LabelledChild<Child>[] {
    return this.#all;
  }

  clear(): void {
    this.#root = new ChildNode<Child>();
    this.#all.length = 0;
    this.bound.clear();
  }

  #add(values: readonly string[]): Child {
    const kept = this.bound.admit(values);
    let node = this.#root;
    for (const value of kept) node = node.at(value);
    if (node.child === undefined) {
      node.child = this.create(kept);
      this.#all.push({ values: kept, child: node.child });
    }
    return node.child;
  }
}

class ChildNode<Child> {
  child: Child | undefined;
  readonly next = new Map<string, ChildNode<Child>>();

  at(value: string): ChildNode<Child> {
    let node = this.next.get(value);
    if (!node) {
      node = new ChildNode<Child>();
      this.next.set(value, node);
    }
    return node;
  }
}

/** @throws Error when the number of values is not that of the names */
function labelsOf(names: readonly string[], values: readonly string[]): Record<string, string> {
  if (values.length !== names.length) {
    throw new Error(`${names.length} label values expected (${names.join(', ')}), not ${values.length}`);
  }
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']));
}

/** @throws Error when prom-client keeps the sample of these labels elsewhere, which a test of this folder detects */
function sampleOf<Sample>(
  metric: { readonly hashMap: Readonly<Record<string, Sample>> },
  labels: Readonly<Record<string, string>>,
): Sample {
  const sample = metric.hashMap[hashObject(labels, Object.keys(labels).sort())];
  if (!sample) throw new Error('prom-client has no sample for these labels');
  return sample;
}

function assertFinite(value: number): void {
  if (!Number.isFinite(value)) throw new RangeError(`a metric needs a finite value, not ${value}`);
}

export function counterChild(
  metric: Counter,
  names: readonly string[],
  values: readonly string[],
): CounterChild {
  const labels = labelsOf(names, values);
  metric.inc(labels, 0);
  return new BoundCounter(sampleOf(metric, labels));
}

class BoundCounter implements CounterChild {
  constructor(private readonly sample: { value: number }) {}

  get value(): number {
    return this.sample.value;
  }

  inc(by = 1): void {
    if (!(by >= 0 && by < Number.POSITIVE_INFINITY)) {
      assertFinite(by);
      throw new RangeError(`a counter cannot decrease by ${-by}`);
    }
    this.sample.value += by;
  }
}

export function gaugeChild(metric: Gauge, names: readonly string[], values: readonly string[]): GaugeChild {
  const labels = labelsOf(names, values);
  metric.set(labels, 0);
  const sample = sampleOf(metric, labels);
  return {
    set: (value) => {
      assertFinite(value);
      sample.value = value;
    },
    get value() {
      return sample.value;
    },
  };
}

/** The gauge that several label sets share: between two scrapes it keeps the worst of their values. */
export class SharedGauge implements GaugeChild {
  #worst: number | undefined;

  /** @param worse whether the first value is worse than the second */
  constructor(
    private readonly gauge: GaugeChild,
    private readonly worse: (value: number, than: number) => boolean,
  ) {}

  set(value: number): void {
    if (this.#worst !== undefined && !this.worse(value, this.#worst)) return;
    this.gauge.set(value);
    this.#worst = value;
  }

  get value(): number {
    return this.gauge.value;
  }

  /** The next value counts, whatever it is. */
  scraped(): void {
    this.#worst = undefined;
  }
}

/** @param nowSeconds Unix time, for exemplars */
export function histogramChild(
  metric: Histogram,
  names: readonly string[],
  values: readonly string[],
  bounds: readonly number[],
  nowSeconds: () => number,
): HistogramChild {
  const labels = labelsOf(names, values);
  metric.zero(labels);
  return new BoundHistogram(sampleOf<HistogramSample>(metric, labels), bounds, nowSeconds);
}

/** Key of prom-client's bucket without an upper bound. */
const UNBOUNDED = '-1';

/**
 * Counts in an array, and copies the counts to prom-client's sample for each scrape: its samples are dictionaries, which
 * cost four times as much to update.
 */
class BoundHistogram implements HistogramChild {
  readonly counts: Float64Array;
  sum = 0;
  count = 0;
  exemplars: (Exemplar | undefined)[] | undefined;
  /** The upper bounds of all buckets; the last one is Infinity. */
  readonly #limits: Float64Array;

  constructor(
    private readonly sample: HistogramSample,
    private readonly bounds: readonly number[],
    private readonly nowSeconds: () => number,
  ) {
    this.#limits = Float64Array.of(...bounds, Number.POSITIVE_INFINITY);
    this.counts = new Float64Array(this.#limits.length);
  }

  observe(value: number, traceId?: string): void {
    if (!(value > Number.NEGATIVE_INFINITY && value < Number.POSITIVE_INFINITY)) assertFinite(value);
    const limits = this.#limits;
    let bucket = 0;
    while (value > (limits[bucket] ?? 0)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sum += value;
    this.count += 1;
    if (traceId !== undefined) this.#refer(bucket, value, traceId);
  }

  publish(): void {
    const { sample, bounds, counts, exemplars } = this;
    sample.sum = this.sum;
    sample.count = this.count;
    for (let bucket = 0; bucket < bounds.length; bucket += 1) {
      sample.bucketValues[String(bounds[bucket])] = counts[bucket] ?? 0;
    }
    if (!exemplars) return;
    sample.bucketExemplars ??= {};
    for (let bucket = 0; bucket <= bounds.length; bucket += 1) {
      const key = bucket === bounds.length ? UNBOUNDED : String(bounds[bucket]);
      sample.bucketExemplars[key] = exemplars[bucket] ?? null;
    }
  }

  #refer(bucket: number, value: number, traceId: string): void {
    this.exemplars ??= [];
    this.exemplars[bucket] = { labelSet: { trace_id: traceId }, value, timestamp: this.nowSeconds() };
  }
}
