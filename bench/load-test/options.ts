import { parseArgs } from 'node:util';
import type { UpstreamKind } from './installation.ts';

export interface LoadTestOptions {
  readonly upstream: UpstreamKind;
  /** Numbers of workers; 0 is one process without workers. */
  readonly workers: readonly number[];
  /** Requests per second. */
  readonly rate: number;
  readonly durationMs: number;
  /** File for the report as JSON. */
  readonly json: string | undefined;
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** @param text such as `90s` or `1h` @throws Error for other texts */
export function durationOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([smh])$/.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  if (unit === undefined) throw new Error(`"${text}" is not a duration such as 30s, 10m or 1h`);
  return Number(match?.[1]) * unit;
}

/** @throws Error for unknown options and values */
export function loadTestOptions(
  args: readonly string[],
  defaults: Pick<LoadTestOptions, 'workers' | 'rate' | 'durationMs'>,
): LoadTestOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      upstream: { type: 'string', default: 'simulator' },
      workers: { type: 'string', default: defaults.workers.join(',') },
      rate: { type: 'string', default: String(defaults.rate) },
      duration: { type: 'string', default: `${defaults.durationMs / 1_000}s` },
      json: { type: 'string' },
    },
  });
  const { upstream } = values;
  if (upstream !== 'simulator' && upstream !== 'mock') throw new Error('--upstream is simulator or mock');
  const workers = values.workers.split(',').map(Number);
  const rate = Number(values.rate);
  if (!workers.every((count) => Number.isInteger(count) && count >= 0))
    throw new Error('--workers is a list of whole numbers, such as 0,2,4');
  if (!(rate > 0)) throw new Error('--rate is a number of requests per second');
  return { upstream, workers, rate, durationMs: durationOf(values.duration), json: values.json };
}
