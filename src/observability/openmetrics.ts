/** The formats of the metrics page. */
export type MetricsFormat = 'text' | 'openmetrics';

const OPENMETRICS = 'application/openmetrics-text';
const TEXT = new Set(['text/plain', 'text/*', '*/*']);
/** A longer header is no longer a preference that a scraper states. */
const MAX_ACCEPT = 4_096;

/**
 * Selects the format that a scraper prefers. OpenMetrics has exemplars, so it also wins where both are equally welcome;
 * a wildcard alone gets the text format.
 *
 * @param accept the header `Accept`; null where there is none
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
 */
export function metricsFormat(accept: string | null): MetricsFormat {
  if (accept === null || accept.length > MAX_ACCEPT) return 'text';
  let openMetrics = 0;
  let text = 0;
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = weightOf(parameters);
    if (type === OPENMETRICS) openMetrics = Math.max(openMetrics, weight);
    else if (TEXT.has(type)) text = Math.max(text, weight);
  }
  return openMetrics > 0 && openMetrics >= text ? 'openmetrics' : 'text';
}

/** @returns 0 to 1; 1 where the weight is missing, 0 where it is not a number */
function weightOf(parameters: readonly string[]): number {
  const given = parameters.find((parameter) => /^q\s*=/.test(parameter));
  if (given === undefined) return 1;
  const weight = Number(given.slice(given.indexOf('=') + 1));
  return weight >= 0 && weight <= 1 ? weight : 0;
}

/** The bounds of buckets at the beginning of lines: no label value can have this text, because its quotes are escaped. */
const BOUND = /^(\w+_bucket\{le=")([^"]+)"/gm;

/** Writes the bounds of buckets as OpenMetrics requires: as floating-point numbers, such as `1.0` and `5e-05`. */
export function withCanonicalBounds(text: string): string {
  return text.replace(BOUND, (_, start: string, bound: string) => `${start}${canonicalNumber(bound)}"`);
}

function canonicalNumber(text: string): string {
  const value = Number(text);
  if (!Number.isFinite(value)) return text;
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return `${value}.0`;
  if (Math.abs(value) >= 1e-4) return text;
  // JavaScript begins to use exponents at 1e-7, and does not pad them.
  return value.toExponential().replace(/e-(\d)$/, 'e-0$1');
}
