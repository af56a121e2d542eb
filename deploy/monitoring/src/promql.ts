import type { CounterName, HistogramName, LabelOf, MetricName } from './metric-names.ts';

/** A label's value: exact, or with an operator. */
export type Matcher =
  | string
  | { readonly operator: '!=' | '=~' | '!~' | '='; readonly value: string }
  | undefined;

/** Labels that Prometheus adds to every series that it scrapes. */
type ScrapeLabel = 'job' | 'instance';
type Matchers<Name extends MetricName> = { readonly [Label in LabelOf<Name> | ScrapeLabel]?: Matcher };

/** The window that Grafana chooses by scrape interval and zoom. */
export const RATE_INTERVAL = '$__rate_interval';

/** @param value of RE2 syntax, anchored at both ends; or a dashboard variable such as `$model` */
export const matching = (value: string): Matcher => ({ operator: '=~', value });
export const not = (value: string): Matcher => ({ operator: '!=', value });
export const notMatching = (value: string): Matcher => ({ operator: '!~', value });

/** A PromQL expression for an instant vector whose label names are known to the compiler. */
export class Vector<Label extends string> {
  /** @param labels of its series, as far as queries may use them */
  constructor(
    readonly text: string,
    readonly labels: readonly Label[],
  ) {}

  toString(): string {
    return this.text;
  }
}

function selector(name: string, matchers: { readonly [label: string]: Matcher }): string {
  const parts = Object.entries(matchers).flatMap(([label, matcher]) => {
    if (matcher === undefined) return [];
    const { operator, value } = typeof matcher === 'string' ? { operator: '=', value: matcher } : matcher;
    return [`${label}${operator}"${value}"`];
  });
  return parts.length === 0 ? name : `${name}{${parts.join(', ')}}`;
}

/** The samples of a metric. The labels are a type only: PromQL has no declaration of them. */
export function select<Name extends MetricName>(
  name: Name,
  matchers: Matchers<Name> = {},
): Vector<LabelOf<Name> | ScrapeLabel> {
  return new Vector(selector(name, matchers), []);
}

/** Increase per second. @param window a duration, or Grafana's when absent */
export function rate<Name extends CounterName>(
  name: Name,
  matchers: Matchers<Name> = {},
  window: string = RATE_INTERVAL,
): Vector<LabelOf<Name> | ScrapeLabel> {
  return new Vector(`rate(${selector(name, matchers)}[${window}])`, []);
}

/** Increase within the window. */
export function increase<Name extends CounterName>(
  name: Name,
  window: string,
  matchers: Matchers<Name> = {},
): Vector<LabelOf<Name> | ScrapeLabel> {
  return new Vector(`increase(${selector(name, matchers)}[${window}])`, []);
}

/** Observations per second of a histogram. */
export function observations<Name extends HistogramName>(
  name: Name,
  matchers: Matchers<Name> = {},
  window: string = RATE_INTERVAL,
): Vector<LabelOf<Name> | ScrapeLabel> {
  return new Vector(`rate(${selector(`${name}_count`, matchers)}[${window}])`, []);
}

/** The sum of what a histogram observes per second. */
export function observed<Name extends HistogramName>(
  name: Name,
  matchers: Matchers<Name> = {},
  window: string = RATE_INTERVAL,
): Vector<LabelOf<Name> | ScrapeLabel> {
  return new Vector(`rate(${selector(`${name}_sum`, matchers)}[${window}])`, []);
}

function aggregate<Label extends string, By extends Label>(
  operator: string,
  vector: Vector<Label>,
  by: readonly By[],
): Vector<By> {
  const grouping = by.length === 0 ? '' : ` by (${by.join(', ')}) `;
  return new Vector(`${operator}${grouping}(${vector})`, by);
}

export const sum = <Label extends string, By extends Label>(vector: Vector<Label>, ...by: readonly By[]) =>
  aggregate('sum', vector, by);
export const max = <Label extends string, By extends Label>(vector: Vector<Label>, ...by: readonly By[]) =>
  aggregate('max', vector, by);
export const min = <Label extends string, By extends Label>(vector: Vector<Label>, ...by: readonly By[]) =>
  aggregate('min', vector, by);
export const avg = <Label extends string, By extends Label>(vector: Vector<Label>, ...by: readonly By[]) =>
  aggregate('avg', vector, by);
export const count = <Label extends string, By extends Label>(vector: Vector<Label>, ...by: readonly By[]) =>
  aggregate('count', vector, by);

/** The series with the largest values. */
export const topk = <Label extends string>(size: number, vector: Vector<Label>): Vector<Label> =>
  new Vector(`topk(${size}, ${vector})`, vector.labels);

/**
 * @param share from 0 to 1
 * @param by labels that the result keeps
 */
export function quantile<Name extends HistogramName, By extends LabelOf<Name>>(
  share: number,
  name: Name,
  by: readonly By[] = [],
  matchers: Matchers<Name> = {},
  window: string = RATE_INTERVAL,
): Vector<By> {
  const buckets = `rate(${selector(`${name}_bucket`, matchers)}[${window}])`;
  return new Vector(`histogram_quantile(${share}, sum by (${['le', ...by].join(', ')}) (${buckets}))`, by);
}

/** The quotient where both sides have equal labels. */
export const ratio = <Label extends string>(part: Vector<Label>, whole: Vector<Label>): Vector<Label> =>
  new Vector(`${part} / ${whole}`, part.labels);

/** @param part 0 for the series of `whole` that it lacks: without it, a label without a failure has no value */
export const share = <Label extends string>(part: Vector<Label>, whole: Vector<Label>): Vector<Label> =>
  new Vector(`(${part} or ${whole} * 0) / ${whole}`, whole.labels);
