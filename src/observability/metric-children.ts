import type Counter from 'prom-client/lib/counter.js';
import type Gauge from 'prom-client/lib/gauge.js';
import type Histogram from 'prom-client/lib/histogram.js';
import type { HistogramSample } from 'prom-client/lib/histogram.js';
import { hashObject } from 'prom-client/lib/util.js';

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

  /** @param create makes the child of label values that are new */
  constructor(private readonly create: (values: readonly string[]) => Child) {}

  /** @param values in the order of the label names */
  of(values: readonly string[]): Child {
    let node = this.#root;
    for (const value of values) node = node.at(value);
    node.child ??= this.create(values);
    return node.child;
  }

  clear(): void {
    this.#root = new ChildNode<Child>();
  }
}

class ChildNode<Child> {
  child: Child | undefined;
  readonly #next = new Map<string, ChildNode<Child>>();

  at(value: string): ChildNode<Child> {
    let node = this.#next.get(value);
    if (!node) {
      node = new ChildNode<Child>();
      this.#next.set(value, node);
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
