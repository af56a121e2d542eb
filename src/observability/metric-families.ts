import Counter from 'prom-client/lib/counter.js';
import Gauge from 'prom-client/lib/gauge.js';
import Histogram from 'prom-client/lib/histogram.js';
import Registry from 'prom-client/lib/registry.js';
import {
  type CounterChild,
  counterChild,
  type GaugeChild,
  gaugeChild,
  type HistogramChild,
  histogramChild,
  type LabelledChild,
  MetricChildren,
  SharedGauge,
} from './metric-children.ts';
import { type MetricsFormat, withCanonicalBounds } from './openmetrics.ts';
import { DEFAULT_MAX_SERIES, SeriesBound } from './series-bound.ts';

/** The name that OpenTelemetry's conventions give a metric. */
export interface OtelName {
  readonly name: string;
  /** UCUM, such as `s` or `{token}`. */
  readonly unit: string;
  /** The conventions' names of attributes, by label. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** One metric family, as docs/metrics.md shows it. */
export interface MetricDescription {
  readonly section: string;
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
  /** Upper bounds of the buckets; absent for other types. */
  readonly bounds?: readonly number[];
  readonly otel?: OtelName | undefined;
}

/** A family with its current values. */
export type MetricSnapshot =
  | {
      readonly type: 'value';
      readonly description: MetricDescription;
      readonly points: readonly LabelledChild<{ readonly value: number }>[];
    }
  | {
      readonly type: 'histogram';
      readonly description: MetricDescription;
      readonly bounds: readonly number[];
      readonly points: readonly LabelledChild<HistogramChild>[];
    };

/** One value for each label name, in the order of the names. */
type LabelValues<Names extends readonly string[]> = { -readonly [Index in keyof Names]: string };

/** The name and labels of a family, as types: dashboards and alerts are checked against them. */
export interface NamedFamily<
  Kind extends MetricDescription['type'],
  Names extends readonly string[],
  Name extends string,
> {
  readonly kind: Kind;
  readonly name: Name;
  readonly labelNames: Names;
}

export interface CounterFamily<Names extends readonly string[], Name extends string = string>
  extends NamedFamily<'counter', Names, Name> {
  labels(...values: LabelValues<Names>): CounterChild;
  /** The children so far, in the order of their creation. */
  all(): readonly LabelledChild<CounterChild>[];
  /** The sum over all children. */
  total(): number;
}

export interface GaugeFamily<Names extends readonly string[], Name extends string = string>
  extends NamedFamily<'gauge', Names, Name> {
  labels(...values: LabelValues<Names>): GaugeChild;
  /** Removes all children. */
  reset(): void;
}

export interface HistogramFamily<Names extends readonly string[], Name extends string = string>
  extends NamedFamily<'histogram', Names, Name> {
  labels(...values: LabelValues<Names>): HistogramChild;
}

type PromMetric = Counter | Gauge | Histogram;

interface Family {
  readonly description: MetricDescription;
  readonly metric: PromMetric;
  /** Lines of text that one child takes. */
  readonly linesPerChild: number;
  readonly snapshot: () => MetricSnapshot;
  /** Copies the values to prom-client's samples, where they are kept elsewhere. */
  readonly publish?: () => void;
}

/** A scrape returns to the event loop after this many lines, which take less than 1 ms to format. */
const LINES_PER_TASK = 128;

/** Counters have this suffix: in the OpenMetrics format, the family is named without it. */
const COUNTER_SUFFIX = '_total';

/** The metric families of one gateway, formatted by prom-client. Its global registry is not used. */
export class MetricFamilies {
  readonly #registry = new Registry();
  readonly #openMetrics = new Registry();
  readonly #families: Family[] = [];
  /** Names in the OpenMetrics format. */
  readonly #names = new Set<string>();
  readonly #samplers: (() => void)[] = [];
  /** Of each gauge, those that several label sets share. */
  readonly #sharedGauges: Set<SharedGauge>[] = [];
  #section = '';

  /** Label sets of one metric that are kept, at least 1; see `SeriesBound`. */
  maxSeries = DEFAULT_MAX_SERIES;

  /** @param nowSeconds Unix time, for exemplars */
  constructor(private readonly nowSeconds: () => number = () => Date.now() / 1000) {
    this.#openMetrics.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  }

  /** Begins a section of the documentation: families that are added from now on belong to it. */
  section(title: string): this {
    this.#section = title;
    return this;
  }

  /**
   * @param name ends with `_total`
   * @param alsoOpen labels whose values are not known in advance, though they are for other metrics
   * @throws Error when the name is taken or not valid; the same for the other kinds
   */
  counter<const Names extends readonly string[], const Name extends string>(
    name: Name,
    help: string,
    labels: Names,
    alsoOpen: readonly Names[number][] = [],
  ): CounterFamily<Names, Name> {
    if (!name.endsWith(COUNTER_SUFFIX))
      throw new Error(`the counter ${name} needs the suffix ${COUNTER_SUFFIX}`);
    const metric = new Counter({ name, help, labelNames: labels, registers: [this.#registry] });
    const children = new MetricChildren(this.#bound(labels, alsoOpen), (values) =>
      counterChild(metric, labels, values),
    );
    if (labels.length === 0) children.of([]);
    this.#add({ name, help, labels, type: 'counter' }, metric, 1, () => children.all());
    return {
      kind: 'counter',
      name,
      labelNames: labels,
      labels: (...values) => children.of(values),
      all: () => children.all(),
      total: () => children.all().reduce((sum, { child }) => sum + child.value, 0),
    };
  }

  /** @param worst which of the values of several label sets is kept where they share a series */
  gauge<const Names extends readonly string[], const Name extends string>(
    name: Name,
    help: string,
    labels: Names,
    worst: 'largest' | 'smallest' = 'largest',
  ): GaugeFamily<Names, Name> {
    const metric = new Gauge({ name, help, labelNames: labels, registers: [this.#registry] });
    const bound = this.#bound(labels);
    const worse = (value: number, than: number) => (worst === 'largest' ? value > than : value < than);
    const shared = new Set<SharedGauge>();
    const children = new MetricChildren<GaugeChild>(bound, (values) => {
      const child = gaugeChild(metric, labels, values);
      if (!bound.isOther(values)) return child;
      const one = new SharedGauge(child, worse);
      shared.add(one);
      return one;
    });
    this.#add({ name, help, labels, type: 'gauge' }, metric, 1, () => children.all());
    this.#sharedGauges.push(shared);
    return {
      kind: 'gauge',
      name,
      labelNames: labels,
      labels: (...values) => children.of(values),
      reset: () => {
        children.clear();
        shared.clear();
        metric.reset();
        // prom-client resets a gauge without labels to 0.
        if (labels.length === 0) metric.remove();
      },
    };
  }

  /**
   * @param bounds upper bounds of the buckets, ascending; a bucket without a bound follows the last
   * @param otel absent where OpenTelemetry's conventions do not have the metric
   */
  histogram<const Names extends readonly string[], const Name extends string>(
    name: Name,
    help: string,
    labels: Names,
    bounds: readonly number[],
    otel?: OtelName,
  ): HistogramFamily<Names, Name> {
    const metric = new Histogram({
      ...{ name, help, labelNames: labels, registers: [this.#registry] },
      buckets: [...bounds],
    });
    const description: MetricDescription = {
      ...{ section: this.#section, name, help, labels, type: 'histogram', bounds },
      otel,
    };
    const children = new MetricChildren(this.#bound(labels), (values) =>
      histogramChild(metric, labels, values, bounds, this.nowSeconds),
    );
    this.#claim(name);
    this.#families.push({
      ...{ description, metric, linesPerChild: bounds.length + 3 },
      snapshot: () => ({ type: 'histogram', description, bounds, points: children.all() }),
      publish: () => {
        for (const { child } of children.all()) child.publish();
      },
    });
    return { kind: 'histogram', name, labelNames: labels, labels: (...values) => children.of(values) };
  }

  /**
   * A metric without labels whose value is read at each scrape.
   *
   * @param read returns the value; undefined leaves the sample out
   */
  sampled(name: string, help: string, type: 'gauge' | 'counter', read: () => number | undefined): void {
    const options = { name, help, registers: [this.#registry] };
    const metric = type === 'gauge' ? new Gauge(options) : new Counter(options);
    let last: number | undefined;
    this.#add({ name, help, labels: [], type }, metric, 1, () =>
      last === undefined ? [] : [{ values: [], child: { value: last } }],
    );
    this.#samplers.push(() => {
      last = read();
      metric.reset();
      if (last === undefined) metric.remove();
      else metric.inc(last);
    });
  }

  describe(): MetricDescription[] {
    return this.#families.map(({ description }) => description);
  }

  /** @returns the current values of all families. Begins a new period for the maxima since the last scrape, as a scrape does. */
  snapshot(): MetricSnapshot[] {
    for (const sample of this.#samplers) sample();
    return this.#families.map((family) => family.snapshot());
  }

  contentType(format: MetricsFormat): string {
    return (format === 'text' ? this.#registry : this.#openMetrics).contentType;
  }

  /**
   * Renders all families for a scrape. Thousands of children take prom-client tens of milliseconds, so they are
   * rendered in parts, and requests are handled between the parts.
   *
   * @returns the text format, version 0.0.4, without exemplars; or OpenMetrics 1.0, with exemplars
   * @see https://prometheus.io/docs/instrumenting/exposition_formats/
   */
  async render(format: MetricsFormat = 'text'): Promise<string> {
    for (const sample of this.#samplers) sample();
    const registry = format === 'text' ? this.#registry : this.#openMetrics;
    let text = '';
    let lines = 0;
    for (const { metric, description, linesPerChild, publish } of this.#families) {
      publish?.();
      const name = format === 'text' ? description.name : openMetricsName(description);
      const size = Math.ceil(LINES_PER_TASK / linesPerChild);
      const keys = Object.keys(metric.hashMap);
      for (let from = 0; from === 0 || from < keys.length; from += size) {
        const part = keys.slice(from, from + size);
        const printed = await registry.getMetricsAsString(viewOf(metric, name, part));
        const partText = from === 0 ? printed : withoutHeader(printed);
        text += `${format === 'text' ? partText : withCanonicalBounds(partText)}\n`;
        lines += part.length * linesPerChild;
        if (lines >= LINES_PER_TASK) {
          lines = 0;
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    }
    for (const shared of this.#sharedGauges) for (const gauge of shared) gauge.scraped();
    return format === 'text' ? text : `${text}# EOF\n`;
  }

  #add(
    described: Omit<MetricDescription, 'section'>,
    metric: PromMetric,
    linesPerChild: number,
    points: () => readonly LabelledChild<{ readonly value: number }>[],
  ): void {
    const description = { ...described, section: this.#section };
    this.#claim(openMetricsName(description));
    const snapshot = (): MetricSnapshot => ({ type: 'value', description, points: points() });
    this.#families.push({ description, metric, linesPerChild, snapshot });
  }

  #claim(name: string): void {
    if (this.#names.has(name))
      throw new Error(`another metric has the name ${name} in the OpenMetrics format`);
    this.#names.add(name);
  }

  #bound(labels: readonly string[], alsoOpen?: readonly string[]): SeriesBound {
    return new SeriesBound(labels, () => this.maxSeries, alsoOpen);
  }
}

function openMetricsName({ name, type }: Pick<MetricDescription, 'name' | 'type'>): string {
  return type === 'counter' ? name.slice(0, -COUNTER_SUFFIX.length) : name;
}

/** The metric with some of its children only. @param name of the family in the format that is rendered */
function viewOf(metric: PromMetric, name: string, keys: readonly string[]): PromMetric {
  const { hashMap } = metric;
  const children = Object.fromEntries(keys.flatMap((key) => (key in hashMap ? [[key, hashMap[key]]] : [])));
  const view: PromMetric = Object.create(metric, { hashMap: { value: children }, name: { value: name } });
  return view;
}

/** @param text begins with the lines HELP and TYPE */
function withoutHeader(text: string): string {
  return text.slice(text.indexOf('\n', text.indexOf('\n') + 1) + 1);
}
