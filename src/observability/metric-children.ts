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
}

export interface GaugeChild {
  /** @throws RangeError when the value is not finite */
  set(value: number): void;
}

export interface HistogramChild {
  /** @throws RangeError when the value is not finite */
  observe(value: number): void;
}

/** The children of one family, one for each set of label values. */
export class MetricChildren<Child> {
  #root = new ChildNode<Child>();

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

  clear(): void {
    this.#root = new ChildNode<Child>();
    this.bound.clear();
  }

  #add(values: readonly string[]): Child {
    const kept = this.bound.admit(values);
    let node = this.#root;
    for (const value of kept) node = node.at(value);
    node.child ??= this.create(kept);
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
  const sample = sampleOf(metric, labels);
  return {
    inc: (by = 1) => {
      assertFinite(by);
      if (by < 0) throw new RangeError(`a counter cannot decrease by ${-by}`);
      sample.value += by;
    },
  };
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

  /** The next value counts, whatever it is. */
  scraped(): void {
    this.#worst = undefined;
  }
}

export function histogramChild(
  metric: Histogram,
  names: readonly string[],
  values: readonly string[],
  bounds: readonly number[],
): HistogramChild {
  const labels = labelsOf(names, values);
  metric.zero(labels);
  return new BoundHistogram(sampleOf<HistogramSample>(metric, labels), bounds);
}

class BoundHistogram implements HistogramChild {
  readonly #keys: readonly string[];

  constructor(
    private readonly sample: HistogramSample,
    private readonly bounds: readonly number[],
  ) {
    this.#keys = bounds.map(String);
  }

  observe(value: number): void {
    assertFinite(value);
    const { sample, bounds } = this;
    sample.sum += value;
    sample.count += 1;
    const bucket = this.#keys[bounds.findIndex((bound) => value <= bound)];
    if (bucket !== undefined) sample.bucketValues[bucket] = (sample.bucketValues[bucket] ?? 0) + 1;
  }
}
