import { isRecord } from '../../core/json.ts';

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A JSON Schema in object form. */
export type SchemaObject = Readonly<Record<string, unknown>>;
/** A JSON Schema. */
export type Schema = boolean | SchemaObject;

/** The schema is invalid, no value matches it, or its instances exceed a limit of the simulator. */
export class SchemaError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SchemaError';
  }
}

/** Limits the work for one schema, because schemas of clients may be recursive or hostile. */
export class Budget {
  constructor(private left: number) {}

  get isSpent(): boolean {
    return this.left < 0;
  }

  /** @throws SchemaError when nothing is left */
  spend(amount = 1): void {
    if (this.left >= 0) this.left -= amount;
    if (this.left < 0) throw new SchemaError('the schema asks for too much');
  }

  /**
   * Spends the work of reading a schema's keywords once.
   * @throws SchemaError when nothing is left
   */
  spendOn(keywords: SchemaObject): void {
    this.spend(0);
    this.spend(weightOf(keywords, this.left + 1));
  }
}

/** Keywords whose values are schemas, which are read separately. */
const WITH_SCHEMAS: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  'additionalProperties',
  'propertyNames',
  'items',
  'prefixItems',
  'additionalItems',
  'contains',
  'allOf',
  'anyOf',
  'oneOf',
  'not',
  'if',
  'then',
  'else',
  '$defs',
  'definitions',
]);

/** @returns the number of values in a schema, without those of the schemas in it; at most about `most` */
function weightOf(keywords: SchemaObject, most: number): number {
  let weight = 0;
  const open: unknown[] = [];
  for (const name in keywords) {
    const value = keywords[name];
    weight += 1;
    if (!WITH_SCHEMAS.has(name)) open.push(value);
    else if (typeof value === 'object' && value !== null) weight += Object.keys(value).length;
    if (weight > most) return weight;
  }
  for (let value = open.pop(); value !== undefined && weight <= most; value = open.pop()) {
    if (typeof value === 'string') weight += Math.floor(value.length / UNITS_PER_STEP);
    if (typeof value !== 'object' || value === null) continue;
    const inner = Object.values(value);
    weight += inner.length;
    if (weight <= most) for (const item of inner) open.push(item);
  }
  return weight;
}

/** UTF-16 units. */
const MAX_REFERENCE = 500;

/** UTF-16 units of a text that cost one step. */
const UNITS_PER_STEP = 16;

/** @returns a text that is equal for equal JSON values, and different for others */
export function canonicalText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
  if (!isRecord(value)) return JSON.stringify(value) ?? '';
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalText(value[key])}`);
  return `{${members.join(',')}}`;
}

/**
 * @returns the value as a schema
 * @throws SchemaError for anything else
 */
export function asSchema(value: unknown): Schema {
  if (typeof value === 'boolean') return value;
  if (isRecord(value)) return value;
  throw new SchemaError('a schema must be an object or a boolean');
}

/**
 * @returns the schemas of a list
 * @throws SchemaError for anything else
 */
export function schemaList(value: unknown): readonly Schema[] {
  if (!Array.isArray(value)) throw new SchemaError('a list of schemas must be an array');
  return value.map(asSchema);
}

/** @returns the schemas of `properties` and similar keywords, by name */
export function schemaMap(value: unknown): ReadonlyMap<string, Schema> {
  if (value === undefined) return new Map();
  if (!isRecord(value)) throw new SchemaError('properties must be an object of schemas');
  return new Map(Object.entries(value).map(([name, schema]) => [name, asSchema(schema)]));
}

/** @returns the texts of a list */
export function stringList(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** @returns a keyword that is a number; undefined for anything else */
export function numberOf(schema: SchemaObject, keyword: string): number | undefined {
  const value = schema[keyword];
  return typeof value === 'number' ? value : undefined;
}

/** @returns the types of a schema; empty when it has none */
export function typeList(schema: SchemaObject): readonly string[] {
  return typeof schema.type === 'string' ? [schema.type] : stringList(schema.type);
}

/** Resolves a reference within the document: `#`, `#/$defs/Name` and other JSON pointers (RFC 6901). */
export function resolveReference(root: Schema, reference: string): Schema {
  if (reference === '#') return root;
  if (reference.length > MAX_REFERENCE) throw new SchemaError('a reference is too long');
  if (!reference.startsWith('#/')) {
    throw new SchemaError(`the reference '${reference}' does not point into the schema`);
  }
  let value: unknown = root;
  for (const part of reference.slice(2).split('/')) {
    const key = decodePointer(part);
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) {
      throw new SchemaError(`the reference '${reference}' points nowhere`);
    }
    value = Reflect.get(value, key);
  }
  return asSchema(value);
}

function decodePointer(part: string): string {
  try {
    return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    throw new SchemaError(`the reference part '${part}' is not encoded well`);
  }
}

/** @returns whether two JSON values are equal */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => sameJson(item, b[index]));
  }
  if (!isRecord(a) || !isRecord(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
  );
}

/** @returns the length in code points, as in JSON Schema */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
