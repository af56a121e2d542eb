/** Digits without a separator among them. */
export interface DigitGroup {
  readonly start: number;
  readonly end: number;
  readonly digits: string;
  /** Between the group before and this one; for the first one, what is before it, such as `+` or `(`. */
  readonly separator: string;
}

/** Digit groups that follow each other: a number, or several with spaces between them. */
export interface DigitCluster {
  readonly groups: readonly DigitGroup[];
  /** Index of the first group's prefix. */
  readonly start: number;
}

/** Six to 41 digits, with at most three separators between two of them. Every step consumes a digit, so it is linear. */
const CLUSTER = /(?<![\p{L}\p{N}_.-])[+(]{0,2}\d(?:[ ()./-]{0,3}\d){5,40}/gu;
const GROUP = /([^\d]*)(\d+)/g;
/** Of a longer word: a hash, a UUID, a measurement with its unit. */
const CONTINUES = /^(?:[\p{L}_]|-[\p{L}]|-?\d)/u;
const DATE =
  /^(?:(?:19|20)\d\d([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])|(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)\d\d)(?!\d)/;

/** @returns the clusters of a text, without the dates at their start */
export function* digitClusters(text: string): Generator<DigitCluster> {
  for (const { index, 0: found } of text.matchAll(CLUSTER)) {
    if (CONTINUES.test(text.slice(index + found.length, index + found.length + 2))) continue;
    const date = DATE.exec(found);
    const from = date ? date[0].length : 0;
    const groups: DigitGroup[] = [];
    for (const match of found.slice(from).matchAll(GROUP)) {
      const [whole, separator = '', digits = ''] = match;
      const end = index + from + match.index + whole.length;
      groups.push({ start: end - digits.length, end, digits, separator });
    }
    if (groups.length > 0) yield { groups, start: index + from };
  }
}

/** @returns the sizes of the groups, such as `3-2-4` */
export function sizesOf(groups: readonly DigitGroup[]): string {
  return groups.map(({ digits }) => digits.length).join('-');
}

/** @returns the separator between all groups; undefined when they differ, `''` for one group */
export function commonSeparator(groups: readonly DigitGroup[]): string | undefined {
  const [, second] = groups;
  if (!second) return '';
  return groups.slice(1).every(({ separator }) => separator === second.separator)
    ? second.separator
    : undefined;
}

export function digitsOf(groups: readonly DigitGroup[]): string {
  return groups.map(({ digits }) => digits).join('');
}
