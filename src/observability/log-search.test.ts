import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { FolderStorage } from '../platform/object-storage/folder-storage.ts';
import { archivedName, hotFileName, hotNameOf } from './log-file-names.ts';
import { LineMatcher, type LogFilter } from './log-filter.ts';
import { allLines, foundIn, lastLines } from './log-search.ts';
import { archivedSources, hotSources, type LogSource, namedSource } from './log-source.ts';

const START = Date.UTC(2026, 10, 29);

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-log-search-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const line = (second: number, more: Readonly<Record<string, unknown>> = {}) =>
  `${JSON.stringify({ level: 'info', time: new Date(START + second * 1_000).toISOString(), ...more, msg: 'request' })}\n`;

/** A source of lines from memory, whose opening is counted. */
function source(name: string, seconds: readonly number[], opened: string[] = []): LogSource {
  const [first = 0, last = 0] = [seconds[0], seconds.at(-1)];
  return {
    ...{ name, start: START + first * 1_000, end: START + last * 1_000 },
    async *lines() {
      opened.push(name);
      for (const second of seconds) yield [line(second, { source: name, second }).trim()];
    },
  };
}

const secondsOf = async (sources: readonly LogSource[], filter: LogFilter = {}) => {
  const seconds: unknown[] = [];
  for await (const { record } of allLines(sources, new LineMatcher(filter))) seconds.push(record.second);
  return seconds;
};

describe('a search', () => {
  test('merges files that overlap by time, and opens each when its time comes', async () => {
    const opened: string[] = [];
    const sources = [
      source('c', [7, 8], opened),
      source('a', [1, 3, 5], opened),
      source('b', [2, 4, 6], opened),
    ];
    expect(await secondsOf(sources)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const first = allLines([source('a', [1, 2], opened), source('z', [99], opened)], new LineMatcher({}));
    opened.length = 0;
    await first.next();
    await first.next();
    expect(opened).toEqual(['a']);
  });

  test('takes the last lines from the newest files, and does not open older ones', async () => {
    const opened: string[] = [];
    const sources = [
      source('a', [1, 2], opened),
      source('b', [3, 5, 6], opened),
      source('c', [4, 7], opened),
    ];
    const last = await lastLines(sources, new LineMatcher({}), 3);
    expect(last.map(({ record }) => record.second)).toEqual([5, 6, 7]);
    expect(opened).toEqual(['c', 'b']);
  });

  test('reads compressed files once, also while they are in both places', async () => {
    const hot = hotFileName(START, 'abc', 1);
    const warm = archivedName(hotFileName(START - 60_000, 'abc', 1), START - 1_000);
    writeFileSync(join(folder, hot), line(1, { second: 1 }));
    writeFileSync(join(folder, warm), zstdCompressSync(line(0, { second: 0 })));
    writeFileSync(join(folder, archivedName(hot, START + 2_000)), zstdCompressSync(line(1, { second: 1 })));
    expect(hotNameOf(archivedName(hot, START + 2_000))).toBe(hot);
    const found = await hotSources(folder);
    const archived = await archivedSources(new FolderStorage(folder), found);
    expect(await secondsOf([...found, ...archived])).toEqual([0, 1]);
  });

  test('leaves a line that is not complete for later', async () => {
    const path = join(folder, hotFileName(START, 'abc', 1));
    writeFileSync(path, line(1, { text: 'ü' }) + line(2).slice(0, 20));
    const [hot] = await hotSources(folder);
    if (!hot) throw new Error('not found');
    const matcher = new LineMatcher({});
    const read = async () => {
      const found: unknown[] = [];
      for await (const lines of foundIn(hot, matcher)) found.push(...lines.map(({ record }) => record.time));
      return found;
    };
    expect(await read()).toHaveLength(1);
    appendFileSync(path, line(2).slice(20));
    expect(await read()).toEqual([new Date(START + 2_000).toISOString()]);
    expect([await read(), matcher.skipped]).toEqual([[], 0]);
  });

  test('skips lines of other programs, and lines without an end, in bounded memory', async () => {
    async function* input() {
      yield Buffer.from(`Weir listens on http://127.0.0.1\n${line(1)}{"a":1}\n`);
      for (let count = 0; count < 64; count += 1) yield new Uint8Array(1024 * 1024).fill(120);
      yield Buffer.from(`\n${line(2)}${line(3).trim()}`);
    }
    const matcher = new LineMatcher({});
    let count = 0;
    for await (const lines of foundIn(namedSource('-', input), matcher)) count += lines.length;
    expect([count, matcher.skipped]).toEqual([3, 2]);
  });

  test('is over files that a gateway compressed meanwhile', async () => {
    const path = join(folder, hotFileName(START, 'abc', 1));
    writeFileSync(path, line(1));
    const found = await hotSources(folder);
    rmSync(path);
    expect(await secondsOf(found)).toEqual([]);
  });
});

describe('a filter', () => {
  const REQUEST = {
    ...{ tenant: 'acme', key: 'key_1', user: 'usr_1', request_id: 'req_1', trace_id: 't1' },
    ...{
      model: 'alias',
      routed_model: 'chat',
      provider: 'openai',
      status: 429,
      duration_ms: 1_500,
      cost: '0.02',
    },
  };
  const matches = (filter: LogFilter, more: Readonly<Record<string, unknown>> = {}) =>
    new LineMatcher(filter).match(line(10, { ...REQUEST, ...more }).trim()) !== undefined;

  test.each<[LogFilter, LogFilter]>([
    [{ tenant: 'acme' }, { tenant: 'acm' }],
    [{ key: 'key_1' }, { key: 'key_2' }],
    [{ user: 'usr_1' }, { user: 'usr' }],
    [{ model: 'alias' }, { model: 'other' }],
    [{ model: 'chat' }, { model: 'cha' }],
    [{ provider: 'openai' }, { provider: 'azure' }],
    [{ requestId: 'req_1' }, { requestId: 'req_11' }],
    [{ traceId: 't1' }, { traceId: 't2' }],
    [{ status: ['429'] }, { status: ['42'] }],
    [{ status: ['500', '4xx'] }, { status: ['5xx'] }],
    [{ level: 'info' }, { level: 'warn' }],
    [{ from: START + 10_000 }, { from: START + 10_001 }],
    [{ to: START + 10_001 }, { to: START + 10_000 }],
    [{ minDurationMs: 1_500 }, { minDurationMs: 1_501 }],
    [{ minCost: 0.02 }, { minCost: 0.03 }],
    [{ text: 'ALIAS' }, { text: 'nowhere' }],
  ])('%j matches, %j does not', (yes, no) => {
    expect([matches(yes), matches(no)]).toEqual([true, false]);
  });

  test('does not take a value of a member of a member', () => {
    expect(matches({ tenant: 'other' }, { failed: { tenant: 'other' } })).toBe(false);
  });

  test('leaves out lines without the member', () => {
    const matcher = new LineMatcher({ minCost: 0 });
    expect(matcher.match(line(1).trim())).toBeUndefined();
  });
});
