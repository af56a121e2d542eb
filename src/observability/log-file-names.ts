/** A log file by its name. Times are Unix milliseconds. */
export interface LogFileName {
  readonly name: string;
  /** Of its first line. */
  readonly start: number;
  /** Of its last line; undefined for a file that is not archived. */
  readonly end: number | undefined;
}

const TIME = String.raw`(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z`;
const HOT = new RegExp(`^weir-${TIME}-([a-z0-9]+)-\\d+\\.jsonl$`);
const ARCHIVED = new RegExp(`^weir-${TIME}_${TIME}-([a-z0-9]+)-\\d+\\.jsonl\\.zst$`);

/**
 * @param start Unix milliseconds
 * @param instance lower-case letters and digits that tell gateways with one folder apart
 * @param number of the file in this process, which tells files of one second apart
 */
export function hotFileName(start: number, instance: string, number: number): string {
  return `weir-${compact(start)}-${instance}-${number}.jsonl`;
}

/** @returns undefined for the name of another file */
export function parseHotName(name: string): LogFileName | undefined {
  const match = HOT.exec(name);
  return match ? { name, start: timeAt(match, 1), end: undefined } : undefined;
}

/** @param end Unix milliseconds. @returns the name of a log file in the archive. @throws Error for another file */
export function archivedName(hot: string, end: number): string {
  if (!HOT.test(hot)) throw new Error(`not the name of a log file: ${hot}`);
  return `${hot.slice(0, -'.jsonl'.length).replace(/Z-/, `Z_${compact(end)}-`)}.jsonl.zst`;
}

/** @returns undefined for the name of another file */
export function parseArchivedName(name: string): LogFileName | undefined {
  const match = ARCHIVED.exec(name);
  // The name has whole seconds: the last line may be in the second that it names.
  return match ? { name, start: timeAt(match, 1), end: timeAt(match, 7) + 999 } : undefined;
}

/** @returns the name that an archived file had */
export function hotNameOf(archived: string): string {
  return archived.replace(/_\d{8}T\d{6}Z-/, '-').replace(/\.zst$/, '');
}

/** ISO 8601 without punctuation and fractions: names sort by time. */
function compact(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}

function timeAt(match: RegExpExecArray, first: number): number {
  const [year, month, day, hour, minute, second] = match.slice(first, first + 6).map(Number);
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
}
