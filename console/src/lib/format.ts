const DASH = '–';
const integer = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });
const exactTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'short' });

type Maybe<T> = T | null | undefined;

/** A whole number with separators; a dash for none. */
export const number = (value: Maybe<number>): string =>
  value === null || value === undefined ? DASH : integer.format(value);

/** A number in few characters: `12.4K`. */
export const short = (value: Maybe<number>): string =>
  value === null || value === undefined
    ? DASH
    : value < 10_000
      ? integer.format(value)
      : compact.format(value);

/** @param value a share from 0 to 1 */
export const percent = (value: Maybe<number>): string => {
  if (value === null || value === undefined || Number.isNaN(value)) return DASH;
  const points = value * 100;
  return `${points !== 0 && Math.abs(points) < 10 ? points.toFixed(1) : Math.round(points)}%`;
};

/** US dollars with as many digits as matter: `0.0042`, `12.30`, `1,284`. @param dollars a number or an exact decimal */
export const money = (dollars: Maybe<number | string>, isEstimate = false): string => {
  if (dollars === null || dollars === undefined) return DASH;
  const value = Number(dollars);
  const mark = isEstimate ? '~' : '';
  if (value === 0) return `${mark}$0`;
  const size = Math.abs(value);
  if (size >= 1_000) return `${mark}$${integer.format(value)}`;
  if (size >= 1) return `${mark}$${value.toFixed(2)}`;
  const places = Math.min(12, Math.max(2, 1 - Math.floor(Math.log10(size))));
  return `${mark}$${value.toFixed(places)}`;
};

/** @param ms milliseconds */
export const duration = (ms: Maybe<number>): string => {
  if (ms === null || ms === undefined) return DASH;
  if (ms > 0 && ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h ${Math.round((ms % 3_600_000) / 60_000)} min`;
  return `${Math.floor(ms / 86_400_000)} d ${Math.round((ms % 86_400_000) / 3_600_000)} h`;
};

export const bytes = (size: Maybe<number>): string => {
  if (size === null || size === undefined) return DASH;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = size;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
};

/** The exact time in the viewer's zone. */
export const time = (value: Maybe<string | number>): string =>
  value === null || value === undefined ? DASH : exactTime.format(new Date(value));

const STEPS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/** `5 min. ago`, `in 2 days`. @param now Unix milliseconds */
export const ago = (value: Maybe<string | number>, now: number): string => {
  if (value === null || value === undefined) return DASH;
  const difference = new Date(value).getTime() - now;
  const [unit, size] = STEPS.find(([, step]) => Math.abs(difference) >= step) ?? ['second', 1_000];
  return relative.format(Math.round(difference / size), unit);
};

/** `1 key`, `3 keys`. */
export const count = (value: number, one: string, many = `${one}s`): string =>
  `${integer.format(value)} ${value === 1 ? one : many}`;
