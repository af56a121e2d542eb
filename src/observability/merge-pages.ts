import { withCanonicalBounds } from './openmetrics.ts';

/** Merges the metric pages of several processes into one, as if there were one process. */

/** Gauges of which the largest value is that of all: ratios, times, and facts that each process reports. */
const LARGEST =
  /(?:_ratio|_info|_healthy|_up|_state|_lost|_failing|_max_seconds|_max_fds|_limit_bytes|_active|_loaded|_wait_seconds|_percent|_celsius|_size_bytes|_entries)$|^(?:llm_active_|weir_audit_head_|llm_gpu_|llm_engine_)/;
/** Gauges of which the smallest value is that of all. */
const SMALLEST = /(?:_start_time_seconds|_target_healthy|_provider_healthy)$/;
/** Counters of events that every process sees, of which the first page counts. */
const COMMON = /^weir_config_reloads(?:_total)?$/;

type Rule = 'sum' | 'largest' | 'smallest' | 'first';

interface Family {
  /** Its lines of comments. */
  readonly comments: string[];
  readonly type: string;
  readonly rule: Rule;
  /** By name and labels. */
  readonly samples: Map<string, Sample>;
}

interface Sample {
  value: number;
  /** After the value: an exemplar. */
  rest: string;
}

type Families = Map<string, Family>;

const SAMPLE = /^([^\s{]+(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?) (\S+)(.*)$/;
const END = '# EOF';

/**
 * Counters and histograms are summed, also those of processes that have ended, so that they never decrease. Gauges are summed
 * where they count something, and otherwise the worst or largest is shown.
 */
export class MetricPages {
  /** The counters of processes that have ended. */
  readonly #ended: Families = new Map();

  /** Keeps the counters of a process that has ended. @param page its last page */
  add(page: string): void {
    for (const [name, family] of familiesOf(page)) {
      if (family.rule !== 'sum' || family.type === 'gauge') continue;
      mergeFamily(this.#ended, name, family);
    }
  }

  /**
   * @param own the page of this process, whose order and comments are kept
   * @param others those of other processes, in the same format
   */
  merge(own: string, others: readonly string[]): string {
    const families = familiesOf(own);
    for (const page of others) {
      for (const [name, family] of familiesOf(page)) mergeFamily(families, name, family);
    }
    for (const [name, family] of this.#ended) mergeFamily(families, name, family);
    const lines = [...families.values()].flatMap(({ comments, samples }) => [
      ...comments,
      ...Array.from(samples, ([key, { value, rest }]) => `${key} ${format(value)}${rest}`),
    ]);
    const isOpenMetrics = own.trimEnd().endsWith(END);
    const text = `${[...lines, ...(isOpenMetrics ? [END] : [])].join('\n')}\n`;
    return isOpenMetrics ? withCanonicalBounds(text) : text;
  }
}

/** By the name without the suffix that counters have in one format and not in the other. */
function familiesOf(page: string): Families {
  const families: Families = new Map();
  let family: Family | undefined;
  let comments: string[] = [];
  for (const line of plainBounds(page).split('\n')) {
    if (line === '' || line === END) continue;
    if (line.startsWith('#')) {
      comments.push(line);
      const [, keyword, name = '', type = ''] = line.split(' ');
      if (keyword !== 'TYPE') continue;
      family = { comments, type, rule: ruleOf(name, type), samples: new Map() };
      families.set(name.replace(/_total$/, ''), family);
      comments = [];
      continue;
    }
    const match = SAMPLE.exec(line);
    if (match && family) {
      family.samples.set(match[1] ?? '', { value: numberOf(match[2] ?? ''), rest: match[3] ?? '' });
    }
  }
  return families;
}

const BOUND = /^(\w+_bucket\{le=")([\d.e+-]+)"/gm;

/** Bounds as the text format has them, so that a page of either format can be merged with the other. */
function plainBounds(page: string): string {
  return page.replace(BOUND, (_, start: string, bound: string) => `${start}${Number(bound)}"`);
}

function ruleOf(name: string, type: string): Rule {
  if (COMMON.test(name)) return 'first';
  if (type !== 'gauge') return 'sum';
  if (SMALLEST.test(name)) return 'smallest';
  return LARGEST.test(name) ? 'largest' : 'sum';
}

function mergeFamily(families: Families, name: string, { comments, type, rule, samples }: Family): void {
  const known = families.get(name);
  if (!known) {
    const copied = Array.from(samples, ([key, sample]) => [key, { ...sample }] as const);
    families.set(name, { comments, type, rule, samples: new Map(copied) });
    return;
  }
  for (const [key, { value, rest }] of samples) {
    const sample = known.samples.get(key);
    if (!sample) known.samples.set(key, { value, rest });
    else {
      sample.value = combine(rule, sample.value, value);
      sample.rest ||= rest;
    }
  }
}

function combine(rule: Rule, one: number, other: number): number {
  switch (rule) {
    case 'sum':
      return one + other;
    case 'largest':
      return Math.max(one, other);
    case 'smallest':
      return Math.min(one, other);
    case 'first':
      return one;
  }
}

function numberOf(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
}

function format(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return Number.isNaN(value) ? 'NaN' : String(value);
}
