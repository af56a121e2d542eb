/** Durations and sizes in their written form. */

export const DURATION_PATTERN = /^\d+(?:ms|s|m|h|d)$/;
export const DURATION_HINT = 'a duration such as 500ms, 2s, 3m, 1h or 1d';
export const SIZE_PATTERN = /^\d+ ?(?:[kKMG]i?)?B$/;
export const SIZE_HINT = 'a size such as 512KB, 20MB or 1GiB, or a number of bytes';

const MILLISECONDS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1000,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  kiB: 1024,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

/** `90m` in milliseconds; undefined when the text is no duration or too long to count exactly. */
export function parseDuration(text: string): number | undefined {
  return parse(text, /^(\d+)(ms|s|m|h|d)$/, MILLISECONDS);
}

/** `20MB` in bytes (KB = 1000, KiB = 1024); undefined when the text is no size or too big to count exactly. */
export function parseSize(text: string): number | undefined {
  return parse(text, /^(\d+) ?((?:[kKMG]i?)?B)$/, BYTES);
}

function parse(text: string, pattern: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  const match = pattern.exec(text);
  const unit = match?.[2] === undefined ? undefined : units[match[2]];
  if (match?.[1] === undefined || unit === undefined) return undefined;
  const value = Number(match[1]) * unit;
  return Number.isSafeInteger(value) ? value : undefined;
}
