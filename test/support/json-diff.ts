/** Deep comparison of JSON values that says where they differ. */

export interface JsonDiffOptions {
  /**
   * Paths not to compare, such as `id`, `choices.*.logprobs` or `**.created`. Segments are separated by dots,
   * array items are numbers, `*` is any one segment and `**` any number of them.
   */
  readonly ignore?: readonly string[];
}

type Path = readonly string[];

function matches(path: Path, pattern: Path): boolean {
  const [head, ...rest] = pattern;
  if (head === undefined) return path.length === 0;
  if (head === '**') return matches(path, rest) || (path.length > 0 && matches(path.slice(1), pattern));
  return path.length > 0 && (head === '*' || head === path[0]) && matches(path.slice(1), rest);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 160 ? text : `${text.slice(0, 157)}...`;
}

function sameLeaf(actual: unknown, expected: unknown): boolean {
  return Object.is(actual, expected) || (actual === 0 && expected === 0);
}

/**
 * One line for each difference; empty when equal. The order of keys does not matter, that of array items does,
 * and a key whose value is undefined counts as absent.
 */
export function diffJson(actual: unknown, expected: unknown, options: JsonDiffOptions = {}): string[] {
  const ignored = (options.ignore ?? []).map((pattern) => pattern.split('.'));
  const differences: string[] = [];

  const compare = (got: unknown, wanted: unknown, path: Path): void => {
    if (ignored.some((pattern) => matches(path, pattern))) return;
    const where = path.join('.') || '(top)';
    if (got === undefined || wanted === undefined) {
      if (wanted !== undefined) differences.push(`${where}: missing, expected ${show(wanted)}`);
      else if (got !== undefined) differences.push(`${where}: unexpected ${show(got)}`);
    } else if (Array.isArray(got) && Array.isArray(wanted)) {
      for (let index = 0; index < Math.max(got.length, wanted.length); index++) {
        compare(got[index], wanted[index], [...path, String(index)]);
      }
    } else if (isObject(got) && isObject(wanted)) {
      for (const key of new Set([...Object.keys(wanted), ...Object.keys(got)])) {
        compare(
          Object.hasOwn(got, key) ? got[key] : undefined,
          Object.hasOwn(wanted, key) ? wanted[key] : undefined,
          [...path, key],
        );
      }
    } else if (!sameLeaf(got, wanted)) {
      differences.push(`${where}: got ${show(got)}, expected ${show(wanted)}`);
    }
  };
  compare(actual, expected, []);
  return differences;
}

export function equalJson(actual: unknown, expected: unknown, options?: JsonDiffOptions): boolean {
  return diffJson(actual, expected, options).length === 0;
}

/** Throws an error that lists up to 40 differences. */
export function assertEqualJson(actual: unknown, expected: unknown, options?: JsonDiffOptions): void {
  const differences = diffJson(actual, expected, options);
  if (differences.length === 0) return;
  const more = differences.length > 40 ? [`... and ${differences.length - 40} more`] : [];
  throw new Error(['JSON differs:', ...differences.slice(0, 40), ...more].join('\n  '));
}
