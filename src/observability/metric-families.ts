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
  MetricChildren,
  SharedGauge,
} from './metric-children.ts';
import { DEFAULT_MAX_SERIES, SeriesBound } from './series-bound.ts';

/** One metric family, as the metrics table of docs/operations.md shows it. */
export interface MetricDescription {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

/** One value for each label name, in the order of the names. */
type LabelValues<Names extends readonly string[]> = { -readonly [Index in keyof Names]: string };

export interface CounterFamily<Names extends readonly string[]> {
  labels(...values: LabelValues<Names>): CounterChild;
}

export interface GaugeFamily<Names extends readonly string[]> {
  labels(...values: LabelValues<Names>): GaugeChild;
  /** Removes all children. */
  reset(): void;
}

export interface HistogramFamily<Names extends readonly string[]> {
  labels(...values: LabelValues<Names>): HistogramChild;
}

type PromMetric = Counter | Gauge | Histogram;

interface Family {
  readonly description: MetricDescription;
  readonly metric: PromMetric;
  /** Lines of text that one child takes. */
  readonly linesPerChild: number;
}

/** A scrape returns to the event loop after this many lines, which take less than 1 ms to format. */
const LINES_PER_TASK = 128;

/** The metric families of one gateway, kept and formatted by prom-client. Its global registry is not used. */
export class MetricFamilies {
  readonly #registry = new Registry();
  readonly #families: Family[] = [];
  readonly #samplers: (() => void)[] = [];
  /** Of each gauge, those that several label sets share. */
  readonly #sharedGauges: Set<SharedGauge>[] = [];

  /** Label sets of one metric that are kept, at least 1; see `SeriesBound`. */
  maxSeries = DEFAULT_MAX_SERIES;

  /** @throws Error when the name is taken or not valid; the same for the other kinds */
  counter<const Names extends readonly string[]>(
    name: string,
    help: string,
    labels: Names,
  ): CounterFamily<Names> {
    const metric = new Counter({ name, help, labelNames: labels, registers: [this.#registry] });
    this.#families.push({ description: { name, type: 'counter', labels, help }, metric, linesPerChild: 1 });
    const children = new MetricChildren(this.#bound(labels), (values) =>
      counterChild(metric, labels, values),
    );
    return { labels: (...values) => children.of(values) };
  }

  /** @param worst which of the values of several label sets is kept where they share a series */
  gauge<const Names extends readonly string[]>(
    name: string,
    help: string,
    labels: Names,
    worst: 'largest' | 'smallest' = 'largest',
  ): GaugeFamily<Names> {
    const metric = new Gauge({ name, help, labelNames: labels, registers: [this.#registry] });
    this.#families.push({ description: { name, type: 'gauge', labels, help }, metric, linesPerChild: 1 });
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
    this.#sharedGauges.push(shared);
    return {
      labels: (...values) => children.of(values),
      reset: () => {
        children.clear();
        shared.clear();
        metric.reset();
      },
    };
  }

  /** @param bounds upper bounds of the buckets, ascending; a bucket without a bound follows the last */
  histogram<const Names extends readonly string[]>(
    name: string,
    help: string,
    labels: Names,
    bounds: readonly number[],
  ): HistogramFamily<Names> {
    const metric = new Histogram({
      ...{ name, help, labelNames: labels, registers: [this.#registry] },
      buckets: [...bounds],
    });
    const description = { name, type: 'histogram', labels, help } as const;
    this.#families.push({ description, metric, linesPerChild: bounds.length + 3 });
    const children = new MetricChildren(this.#bound(labels), (values) =>
      histogramChild(metric, labels, values, bounds),
    );
    return { labels: (...values) => children.of(values) };
  }

  /**
   * A metric without labels whose value is read at each scrape.
   *
   * @param read returns the value; undefined leaves the sample out
   */
  sampled(name: string, help: string, type: 'gauge' | 'counter', read: () => number | undefined): void {
    const options = { name, help, registers: [this.#registry] };
    const metric = type === 'gauge' ? new Gauge(options) : new Counter(options);
    this.#families.push({ description: { name, type, labels: [], help }, metric, linesPerChild: 1 });
    this.#samplers.push(() => {
      const value = read();
      metric.reset();
      if (value === undefined) metric.remove();
      else metric.inc(value);
    });
  }

  describe(): MetricDescription[] {
    return this.#families.map(({ description }) => description);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /**
   * Renders all families for a scrape. Thousands of children take prom-client tens of milliseconds, so they are
   * rendered in parts, and requests are handled between the parts.
   *
   * @returns the text exposition format, version 0.0.4
   * @see https://prometheus.io/docs/instrumenting/exposition_formats/
   */
  async render(): Promise<string> {
    for (const sample of this.#samplers) sample();
    let text = '';
    let lines = 0;
    for (const family of this.#families) {
      const size = Math.ceil(LINES_PER_TASK / family.linesPerChild);
      const keys = Object.keys(family.metric.hashMap);
      for (let from = 0; from === 0 || from < keys.length; from += size) {
        const part = keys.slice(from, from + size);
        const partText = await this.#registry.getMetricsAsString(viewOf(family.metric, part));
        text += `${from === 0 ? partText : withoutHeader(partText)}\n`;
        lines += part.length * family.linesPerChild;
        if (lines >= LINES_PER_TASK) {
          lines = 0;
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    }
    for (const shared of this.#sharedGauges) for (const gauge of shared) gauge.scraped();
    return text;
  }

  #bound(labels: readonly string[]): SeriesBound {
    return new SeriesBound(labels, () => this.maxSeries);
  }
}

/** The metric with some of its children only. */
function viewOf(metric: PromMetric, keys: readonly string[]): PromMetric {
  const { hashMap } = metric;
  const children = Object.fromEntries(keys.flatMap((key) => (key in hashMap ? [[key, hashMap[key]]] : [])));
  const view: PromMetric = Object.create(metric, { hashMap: { value: children } });
  return view;
}

/** @param text begins with the lines HELP and TYPE */
function withoutHeader(text: string): string {
  return text.slice(text.indexOf('\n', text.indexOf('\n') + 1) + 1);
}
