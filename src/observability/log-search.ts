import type { FoundLine, LineMatcher } from './log-filter.ts';
import type { LogSource } from './log-source.ts';

/** A file that is being read, at its next line. */
interface Cursor {
  readonly found: AsyncIterator<readonly FoundLine[]>;
  lines: readonly FoundLine[];
  at: number;
}

/**
 * All lines that match, in the order of time. Files are opened when their time comes, and only a part of each is in memory.
 * @param sources in any order
 */
export async function* allLines(
  sources: readonly LogSource[],
  matcher: LineMatcher,
): AsyncGenerator<FoundLine> {
  const waiting = sources.toSorted((a, b) => a.start - b.start);
  const open: Cursor[] = [];
  for (;;) {
    const next = earliest(open);
    const [first] = waiting;
    if (first && (!next || first.start <= Date.parse(headOf(next).time))) {
      waiting.shift();
      const cursor: Cursor = { found: foundIn(first, matcher)[Symbol.asyncIterator](), lines: [], at: 0 };
      if (await fill(cursor)) open.push(cursor);
      continue;
    }
    if (!next) return;
    yield headOf(next);
    next.at += 1;
    if (next.at === next.lines.length && !(await fill(next))) open.splice(open.indexOf(next), 1);
  }
}

/**
 * The last lines that match, in the order of time. Files are read from the newest on, until no older one can have one of them.
 * @param limit number of lines; twice as many are in memory
 */
export async function lastLines(
  sources: readonly LogSource[],
  matcher: LineMatcher,
  limit: number,
): Promise<readonly FoundLine[]> {
  let last: FoundLine[] = [];
  for (const source of sources.toSorted((a, b) => b.end - a.end)) {
    const [oldest] = last;
    if (last.length === limit && oldest && source.end < Date.parse(oldest.time)) break;
    let found: FoundLine[] = [];
    for await (const lines of foundIn(source, matcher)) {
      found.push(...lines);
      if (found.length > 2 * limit) found = found.slice(-limit);
    }
    // Stable: lines of one millisecond stay in the order of their file.
    last = [...found, ...last].sort((a, b) => compare(a.time, b.time)).slice(-limit);
  }
  return last;
}

/** Lines of one file that match, in groups that are not empty. */
export async function* foundIn(
  source: LogSource,
  matcher: LineMatcher,
): AsyncGenerator<readonly FoundLine[]> {
  for await (const lines of source.lines()) {
    const found = lines.flatMap((line) => matcher.match(line) ?? []);
    if (found.length > 0) yield found;
  }
}

async function fill(cursor: Cursor): Promise<boolean> {
  const { value, done } = await cursor.found.next();
  if (done) return false;
  cursor.lines = value;
  cursor.at = 0;
  return true;
}

function earliest(cursors: readonly Cursor[]): Cursor | undefined {
  let first: Cursor | undefined;
  for (const cursor of cursors) {
    if (!first || headOf(cursor).time < headOf(first).time) first = cursor;
  }
  return first;
}

function headOf({ lines, at }: Cursor): FoundLine {
  const line = lines[at];
  if (!line) throw new Error('a cursor has no line');
  return line;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
