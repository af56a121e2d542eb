/**
 * Prometheus counters, gauges and histograms whose update is a map look-up and an addition. There are ten updates
 * for each request, and the usual library hashes the labels anew at each: 0.4 µs against 0.05 µs.
 * Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, version 0.0.4).
 */

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** What a metric is, for its documentation. */
export interface MetricDescription {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

interface Family {
  render(): string;
  describe(): MetricDescription;
}

type Level<Child> = Map<string, Level<Child> | Child>;

/** Children by their label values, one map for each label: label values are few and shared, so each step is cheap. */
class Children<Child extends object> {
  readonly #root: Level<Child> = new Map();

  constructor(
    private readonly depth: number,
    private readonly create: (values: readonly string[]) => Child,
  ) {}

  get(values: readonly string[]): Child {
    let level = this.#root;
    for (let index = 0; index < this.depth - 1; index += 1) {
      const value = values[index] ?? '';
      let next = level.get(value);
      if (!(next instanceof Map)) {
        next = new Map();
        level.set(value, next);
      }
      level = next;
    }
    const last = values[this.depth - 1] ?? '';
    const found = level.get(last);
    if (found !== undefined && !(found instanceof Map)) return found;
    const child = this.create([...values]);
    level.set(last, child);
    return child;
  }

  *all(level: Level<Child> = this.#root): Generator<Child> {
    for (const entry of level.values()) {
      if (entry instanceof Map) yield* this.all(entry);
      else yield entry;
    }
  }

  clear(): void {
    this.#root.clear();
  }
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeValue(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}

function labelText(names: readonly string[], values: readonly string[]): string {
  return names.map((name, index) => `${name}="${escapeValue(values[index] ?? '')}"`).join(',');
}

function withLabels(name: string, labels: string): string {
  return labels === '' ? name : `${name}{${labels}}`;
}

function head(name: string, help: string, type: string): string {
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
}

class Value {
  value = 0;
  constructor(readonly labels: string) {}

  inc(by = 1): void {
    this.value += by;
  }

  set(value: number): void {
    this.value = value;
  }
}

abstract class ValueFamily<Names extends readonly string[]> implements Family {
  readonly #children: Children<Value>;
  protected abstract readonly type: 'counter' | 'gauge';

  constructor(
    private readonly name: string,
    private readonly help: string,
    private readonly labelNames: Names,
  ) {
    this.#children = new Children(labelNames.length, (values) => new Value(labelText(labelNames, values)));
    // What has no labels is known from the start, and starts at zero.
    if (labelNames.length === 0) this.#children.get([]);
  }

  protected child(values: readonly string[]): Value {
    return this.#children.get(values);
  }

  protected clear(): void {
    this.#children.clear();
  }

  describe(): MetricDescription {
    return { name: this.name, type: this.type, labels: this.labelNames, help: this.help };
  }

  render(): string {
    let out = head(this.name, this.help, this.type);
    for (const { labels, value } of this.#children.all())
      out += `${withLabels(this.name, labels)} ${this.shown(value)}\n`;
    return out;
  }

  protected shown(value: number): number {
    return value;
  }
}

/** One text for each label name. */
type LabelValues<Names extends readonly string[]> = { readonly [Index in keyof Names]: string };

export class Counter<Names extends readonly string[]> extends ValueFamily<Names> {
  protected readonly type = 'counter';

  labels(...values: LabelValues<Names>): { inc(by?: number): void } {
    return this.child(values);
  }
}

/** A counter of money: whole thousand-millionths are added up, and shown as the whole unit. */
export class MoneyCounter<Names extends readonly string[]> extends Counter<Names> {
  protected override shown(value: number): number {
    return value / 1e9;
  }
}

export class Gauge<Names extends readonly string[]> extends ValueFamily<Names> {
  protected readonly type = 'gauge';

  labels(...values: LabelValues<Names>): { set(value: number): void; inc(by?: number): void } {
    return this.child(values);
  }

  /** Forgets all children. */
  reset(): void {
    this.clear();
  }
}

class Distribution {
  sum = 0;
  readonly counts: Float64Array;

  constructor(
    readonly labels: string,
    private readonly bounds: readonly number[],
  ) {
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    this.sum += value;
    let index = 0;
    while (index < this.bounds.length && value > (this.bounds[index] ?? 0)) index += 1;
    this.counts[index] = (this.counts[index] ?? 0) + 1;
  }
}

export class Histogram<Names extends readonly string[]> implements Family {
  readonly #children: Children<Distribution>;

  /** @param bounds upper bounds of the buckets, ascending; the last bucket is open */
  constructor(
    private readonly name: string,
    private readonly help: string,
    private readonly labelNames: Names,
    private readonly bounds: readonly number[],
  ) {
    this.#children = new Children(
      labelNames.length,
      (values) => new Distribution(labelText(labelNames, values), bounds),
    );
  }

  labels(...values: LabelValues<Names>): { observe(value: number): void } {
    return this.#children.get(values);
  }

  describe(): MetricDescription {
    return { name: this.name, type: 'histogram', labels: this.labelNames, help: this.help };
  }

  render(): string {
    let out = head(this.name, this.help, 'histogram');
    for (const { labels, sum, counts } of this.#children.all()) {
      const prefix = labels === '' ? '' : `${labels},`;
      let total = 0;
      for (const [index, count] of counts.entries()) {
        total += count;
        const bound = this.bounds[index];
        out += `${this.name}_bucket{${prefix}le="${bound === undefined ? '+Inf' : bound}"} ${total}\n`;
      }
      out += `${withLabels(`${this.name}_sum`, labels)} ${sum}\n${withLabels(`${this.name}_count`, labels)} ${total}\n`;
    }
    return out;
  }
}

/** A value that is looked up when the metrics are read; nothing is shown when it is not known. */
export class Sampled implements Family {
  constructor(
    private readonly name: string,
    private readonly help: string,
    private readonly type: 'gauge' | 'counter',
    private readonly read: () => number | undefined,
  ) {}

  describe(): MetricDescription {
    return { name: this.name, type: this.type, labels: [], help: this.help };
  }

  render(): string {
    const value = this.read();
    return value === undefined ? '' : `${head(this.name, this.help, this.type)}${this.name} ${value}\n`;
  }
}

export class MetricRegistry {
  readonly #families: Family[] = [];

  add<F extends Family>(family: F): F {
    this.#families.push(family);
    return family;
  }

  describe(): MetricDescription[] {
    return this.#families.map((family) => family.describe());
  }

  render(): string {
    return this.#families.map((family) => family.render()).join('');
  }
}
