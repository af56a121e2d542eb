import { setTimeout as sleep } from 'node:timers/promises';
import { logArchive, logFolder } from '../app/log-files.ts';
import type { Config } from '../config/schema.ts';
import { parseDuration } from '../config/units.ts';
import { systemClock } from '../core/clock.ts';
import { type FoundLine, LineMatcher, type LogFilter } from '../observability/log-filter.ts';
import { type LogLevel, toText } from '../observability/log-format.ts';
import { allLines, foundIn, lastLines } from '../observability/log-search.ts';
import {
  archivedSources,
  type HotSource,
  hotSources,
  type LogSource,
  namedSource,
} from '../observability/log-source.ts';
import { CommandError, type Output } from './output.ts';
import { durationFrom, parseTime, shortTime } from './values.ts';

export interface LogsOptions {
  readonly tenant?: string;
  readonly key?: string;
  readonly user?: string;
  readonly model?: string;
  readonly provider?: string;
  readonly requestId?: string;
  readonly traceId?: string;
  readonly status?: string;
  readonly level?: string;
  readonly from?: string;
  readonly to?: string;
  readonly minDuration?: string;
  readonly minCost?: string;
  readonly text?: string;
  /** A number, or `all`. */
  readonly limit: string;
  readonly follow?: boolean;
  readonly json?: boolean;
  readonly folder?: string;
}

export interface LogsCommand {
  readonly config: () => Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly output: Output;
  /** Resolves when the reader of the output has room for more. */
  readonly drained: () => Promise<void> | undefined;
  readonly standardInput: () => AsyncIterable<Uint8Array>;
}

const MAX_LIMIT = 100_000;
const FOLLOW_MS = 250;
const LEVELS: Readonly<Record<string, LogLevel>> = {
  ...{ debug: 'debug', info: 'info', warn: 'warn', warning: 'warn', error: 'error' },
};

/**
 * Prints lines of the log files, hot and warm, or of the files that are named.
 * @throws CommandError for options that are not valid, and where there are no files to search
 */
export async function logsCommand(
  command: LogsCommand,
  files: readonly string[],
  options: LogsOptions,
): Promise<void> {
  const { output } = command;
  const filter = filterOf(options);
  const limit = limitOf(options.limit);
  const matcher = new LineMatcher(filter);
  const found = await sourcesOf(command, files, options);
  const sources = found.all.filter((source) => isWithin(source, filter));
  // Followed files that are too old to be searched begin with what they get from now on.
  for (const source of found.hot) if (!sources.includes(source)) source.offset = source.size;
  const print = async (line: FoundLine) => {
    output.out(options.json === true ? line.text : textOf(line, output.colour));
    await command.drained();
  };
  let printed = 0;
  const lines = limit === undefined ? allLines(sources, matcher) : await lastLines(sources, matcher, limit);
  for await (const line of lines) {
    await print(line);
    printed += 1;
  }
  if (matcher.skipped > 0) output.err(`${matcher.skipped} lines are not JSON of Weir and were skipped.`);
  if (options.follow === true) await follow(found, matcher, print);
  else if (printed === 0) output.err(emptyMessage(found));
}

interface FoundSources {
  readonly all: readonly LogSource[];
  /** Those that may grow. */
  readonly hot: readonly HotSource[];
  /** Undefined for files that are named. */
  readonly folder: string | undefined;
}

async function sourcesOf(
  { config, env, standardInput }: LogsCommand,
  files: readonly string[],
  { follow: isFollowed, folder: given }: LogsOptions,
): Promise<FoundSources> {
  if (files.length > 0) {
    if (isFollowed === true)
      throw new CommandError('--follow needs log files of the configuration or --folder.');
    return { all: files.map((path) => namedSource(path, standardInput)), hot: [], folder: undefined };
  }
  if (given !== undefined) {
    const hot = await hotSources(given);
    return { all: hot, hot, folder: given };
  }
  const current = config();
  const settings = current.log.files;
  if (settings === null) {
    throw new CommandError(
      'The log is not written to files: set "log.files" in the configuration (docs/logs.md), or name a file, such as `weir logs app.log`, or - for standard input.',
    );
  }
  const folder = logFolder(current, settings);
  const hot = await hotSources(folder);
  const archived = await archivedSources(await logArchive(current, settings, env), hot);
  return { all: [...hot, ...archived], hot, folder };
}

/** Prints what files get, until the command is stopped. */
async function follow(
  { hot, folder }: FoundSources,
  matcher: LineMatcher,
  print: (line: FoundLine) => Promise<void>,
): Promise<never> {
  const known = new Map(hot.map((source) => [source.name, source]));
  for (;;) {
    for (const source of await hotSources(folder ?? '')) {
      const before = known.get(source.name);
      if (before && source.size <= before.offset) continue;
      source.offset = before?.offset ?? 0;
      known.set(source.name, source);
      for await (const lines of foundIn(source, matcher)) for (const line of lines) await print(line);
    }
    await sleep(FOLLOW_MS);
  }
}

function isWithin({ start, end }: LogSource, { from, to }: LogFilter): boolean {
  return (from === undefined || end >= from) && (to === undefined || start < to);
}

function textOf({ time, record }: FoundLine, colour: boolean): string {
  const { level, time: _, msg, ...fields } = record;
  const known = LEVELS[String(level)] ?? 'info';
  const line = toText({ level: known, time, message: String(msg ?? ''), fields }, colour);
  return `${time.slice(0, 10)} ${line.trimEnd()}`;
}

function emptyMessage({ all, folder }: FoundSources): string {
  if (all.length === 0) {
    return `There are no log files in ${folder ?? 'the files'} yet. A gateway writes them once it runs with "log.files" set.`;
  }
  if (folder === undefined) return 'No line matches.';
  const first = Math.min(...all.map(({ start }) => start));
  const last = Math.max(...all.map(({ end }) => end));
  return `No line matches. The files have lines from ${shortTime(first)} to ${shortTime(last)} (UTC).`;
}

function filterOf(options: LogsOptions): LogFilter {
  const { tenant, key, user, model, provider, requestId, traceId, text } = options;
  return {
    ...{ tenant, key, user, model, provider, requestId, traceId, text },
    status: options.status === undefined ? undefined : statusesOf(options.status),
    level: options.level === undefined ? undefined : levelOf(options.level),
    from: pastTime('--from', options.from),
    to: pastTime('--to', options.to),
    minDurationMs:
      options.minDuration === undefined ? undefined : durationFrom(options.minDuration, '--min-duration'),
    minCost: costOf(options.minCost),
  };
}

function statusesOf(text: string): readonly string[] {
  const statuses = text.split(',').map((one) => one.trim().toLowerCase());
  if (statuses.every((one) => /^[1-5](?:\d\d|xx)$/.test(one))) return statuses;
  throw new CommandError(`--status must be a list of statuses such as 429,5xx, not ${JSON.stringify(text)}.`);
}

function levelOf(text: string): LogLevel {
  const level = LEVELS[text.toLowerCase()];
  if (level) return level;
  throw new CommandError(`--level must be debug, info, warn or error, not ${JSON.stringify(text)}.`);
}

/** @param text a date or time, or how long ago, such as `2h`. @returns Unix milliseconds */
function pastTime(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const duration = parseDuration(text);
  const at = duration === undefined ? parseTime(text) : systemClock.wallTime() - duration;
  if (at !== undefined) return at;
  throw new CommandError(
    `${name} must be a date such as 2026-11-29, a time, or how long ago, such as 2h; got ${JSON.stringify(text)}.`,
  );
}

function costOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const cost = Number(text.replace(/^\$/, ''));
  if (Number.isFinite(cost) && cost >= 0) return cost;
  throw new CommandError(`--min-cost must be US dollars such as 0.05, not ${JSON.stringify(text)}.`);
}

function limitOf(text: string): number | undefined {
  if (text === 'all') return undefined;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new CommandError(`--limit must be "all" or a number from 1 to ${MAX_LIMIT}.`);
}
