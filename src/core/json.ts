/** A JSON object that is only read. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value is a JSON object. For values from outside. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @returns the text; undefined for anything else */
export function asString(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** @returns the list; an empty list for anything else */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** @returns the objects of a list; an empty list for anything else */
export function records(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

/** @returns a non-negative safe integer; undefined for anything else */
export function asCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/**
 * Looks up a value by a name from outside, which may be that of a member that all objects have, such as `constructor`.
 * @returns undefined for a name that the table does not have itself
 */
export function ownValue<T>(table: Readonly<Record<string, T>>, name: string | undefined): T | undefined {
  return name !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
}

/** @returns the value of a JSON text; undefined when the text is not JSON */
export function parseJsonText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
