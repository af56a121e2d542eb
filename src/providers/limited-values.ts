import type { Warn } from '../core/warning.ts';
import { hashedIdentifier } from './shortened-ids.ts';
import type { MetadataLimit, NumberRange } from './vendor-limits.ts';

/** A subject of warnings: the member of a request, by the name that clients use. */
type Param = string;

/** Clamps a number to its range, with a warning. */
export function clamped(param: Param, value: number, { min, max }: NumberRange, warn: Warn): number {
  if (value >= min && value <= max) return value;
  const nearest = value < min ? min : max;
  changed(param, `The target takes "${param}" from ${min} to ${max}; ${nearest} was sent.`, warn);
  return nearest;
}

/** Keeps the first stop sequences, with a warning. */
export function firstStops<Stop>(stops: readonly Stop[], max: number, warn: Warn): readonly Stop[] {
  if (stops.length <= max) return stops;
  changed('stop', `The target supports ${max} stop sequences; the first ${max} were sent.`, warn);
  return stops.slice(0, max);
}

/** Hashes an identifier that is too long, with a warning. Equal identifiers give equal hashes. */
export function limitedIdentifier(param: Param, value: string, max: number, warn: Warn): string {
  if (value.length <= max) return value;
  changed(
    param,
    `The target takes "${param}" with at most ${max} characters; a hash of the ${value.length} characters was sent.`,
    warn,
  );
  return hashedIdentifier(value, max);
}

/** Cuts metadata to the number and the lengths of entries that a vendor accepts, with one warning. */
export function limitedMetadata(
  metadata: Readonly<Record<string, unknown>>,
  { entries: maxEntries, name: maxName, value: maxValue }: MetadataLimit,
  warn: Warn,
): Readonly<Record<string, unknown>> {
  const entries = Object.entries(metadata).filter(([, value]) => value !== null && value !== undefined);
  const kept = entries
    .filter(([name]) => name.length <= maxName)
    .slice(0, maxEntries)
    .map(([name, value]) => {
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      return [name, text.length <= maxValue ? value : cut(text, maxValue)] as const;
    });
  const isWhole =
    kept.length === entries.length && kept.every(([, value], index) => value === entries[index]?.[1]);
  if (isWhole) return metadata;
  changed(
    'metadata',
    `The target takes ${maxEntries} entries of metadata with names of ${maxName} and values of ${maxValue} characters; the rest was cut.`,
    warn,
  );
  return Object.fromEntries(kept);
}

/** Cuts a text, but not within a surrogate pair. */
function cut(text: string, length: number): string {
  return text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '');
}

/** Records that a member was sent with another value. */
export function changed(param: Param, message: string, warn: Warn): void {
  warn({ kind: 'changed', param, message });
}
