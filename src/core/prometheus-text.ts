/** One sample of a metrics page. */
export interface PrometheusSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  /** Finite. */
  readonly value: number;
}

export interface PrometheusPage {
  readonly samples: readonly PrometheusSample[];
  /** Lines that are no samples, or whose value is no finite number. */
  readonly malformed: number;
}

/** Longer lines are malformed; labels of engines are far shorter. */
const MAX_LINE = 16_384;
const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,?)/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n' };

/**
 * Reads a metrics page in Prometheus' text format or as OpenMetrics. Tolerant: one malformed line costs that line only.
 *
 * @param wanted whether samples of a metric are kept; others are neither parsed nor counted as malformed
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function parsePrometheusText(page: string, wanted: (name: string) => boolean): PrometheusPage {
  const samples: PrometheusSample[] = [];
  let malformed = 0;
  for (const line of page.split('\n')) {
    const text = line.trimStart();
    if (text === '' || text.startsWith('#')) continue;
    const name = NAME.exec(text)?.[0];
    if (name === undefined || text.length > MAX_LINE) {
      malformed += 1;
      continue;
    }
    if (!wanted(name)) continue;
    const sample = sampleOf(name, text.slice(name.length));
    // An engine without work reports NaN for means; that is no fault of the page.
    if (sample === 'not_a_number') continue;
    if (sample) samples.push(sample);
    else malformed += 1;
  }
  return { samples, malformed };
}

function sampleOf(name: string, rest: string): PrometheusSample | 'not_a_number' | undefined {
  const labels = new Map<string, string>();
  let at = 0;
  if (rest.startsWith('{')) {
    LABEL.lastIndex = 1;
    for (let more = true; more; ) {
      at = LABEL.lastIndex;
      const found = LABEL.exec(rest);
      if (!found) {
        LABEL.lastIndex = at;
        break;
      }
      at = LABEL.lastIndex;
      labels.set(found[1] ?? '', unescaped(found[2] ?? ''));
      more = found[3] === ',';
    }
    const close = /\s*\}/y;
    close.lastIndex = at;
    if (!close.test(rest)) return undefined;
    at = close.lastIndex;
  } else if (!/^\s/.test(rest)) return undefined;
  const [value = ''] = rest.slice(at).trimStart().split(/\s/, 1);
  if (/^[+-]?nan$/i.test(value)) return 'not_a_number';
  if (!/^[+-]?(?:\d|\.\d)/.test(value)) return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? { name, labels, value: number } : undefined;
}

function unescaped(text: string): string {
  return text.includes('\\')
    ? text.replace(/\\(.)/g, (_, character: string) => ESCAPES[character] ?? character)
    : text;
}
