import { isRecord, type JsonObject } from '../../core/json.ts';

/** Keywords of Gemini's schemas, a subset of OpenAPI's. */
const KEPT: ReadonlySet<string> = new Set([
  'type',
  'format',
  'title',
  'description',
  'nullable',
  'enum',
  'maxItems',
  'minItems',
  'properties',
  'required',
  'minProperties',
  'maxProperties',
  'minLength',
  'maxLength',
  'pattern',
  'example',
  'anyOf',
  'propertyOrdering',
  'default',
  'items',
  'minimum',
  'maximum',
]);
const MAX_DEPTH = 40;
const ANY_OBJECT: JsonObject = { type: 'OBJECT' };

/**
 * Converts a JSON Schema to Gemini's form: resolves references, drops unknown keywords, and converts `const` to `enum`,
 * nullable types to `nullable`, and types to capitals. A recursive reference becomes an object of any form.
 */
export function geminiSchema(schema: JsonObject): JsonObject {
  return new Cleaner(schema).clean(schema, []);
}

class Cleaner {
  constructor(private readonly root: JsonObject) {}

  clean(schema: JsonObject, path: readonly string[]): JsonObject {
    if (path.length > MAX_DEPTH) return ANY_OBJECT;
    const reference = schema.$ref;
    if (typeof reference === 'string') {
      const target = this.#resolve(reference);
      if (!target || path.includes(reference)) return ANY_OBJECT;
      const { $ref: _, ...beside } = schema;
      return this.clean({ ...target, ...beside }, [...path, reference]);
    }
    const { allOf, ...rest } = schema;
    if (Array.isArray(allOf)) return this.clean(this.#merge(rest, allOf), [...path, '']);
    const out: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(this.#canonical(rest))) {
      if (KEPT.has(key)) out[key] = this.#value(key, value, path);
    }
    return out;
  }

  #resolve(reference: string): JsonObject | undefined {
    if (!reference.startsWith('#')) return undefined;
    let current: unknown = this.root;
    for (const step of reference
      .slice(1)
      .split('/')
      .filter((part) => part !== '')) {
      const key = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
      current = isRecord(current) && Object.hasOwn(current, key) ? current[key] : undefined;
    }
    return isRecord(current) ? current : undefined;
  }

  #merge(base: JsonObject, parts: readonly unknown[]): JsonObject {
    let merged: Record<string, unknown> = { ...base };
    for (const part of parts) {
      if (!isRecord(part)) continue;
      const resolved = typeof part.$ref === 'string' ? (this.#resolve(part.$ref) ?? {}) : part;
      const properties =
        isRecord(merged.properties) && isRecord(resolved.properties)
          ? { properties: { ...merged.properties, ...resolved.properties } }
          : {};
      const required =
        Array.isArray(merged.required) && Array.isArray(resolved.required)
          ? { required: [...new Set([...merged.required, ...resolved.required])] }
          : {};
      merged = { ...resolved, ...merged, ...properties, ...required };
    }
    return merged;
  }

  /** Converts one schema. */
  #canonical({ const: only, oneOf, type, ...schema }: JsonObject): JsonObject {
    const out: Record<string, unknown> = { ...schema };
    if (only !== undefined) {
      out.enum = [String(only)];
      out.type = 'string';
    }
    if (Array.isArray(out.enum)) {
      const values = out.enum.filter((value) => value !== null);
      if (values.length < out.enum.length) out.nullable = true;
      // The API accepts texts only.
      out.enum = values.map(String);
      if (only === undefined && (type === undefined || type !== 'string')) out.type = 'string';
    }
    if (Array.isArray(oneOf) && out.anyOf === undefined) out.anyOf = oneOf;
    if (Array.isArray(out.anyOf)) {
      const isNull = (option: unknown) => isRecord(option) && option.type === 'null';
      const options = out.anyOf.filter((option) => !isNull(option));
      if (options.length < out.anyOf.length) out.nullable = true;
      const [single] = options;
      if (options.length === 1 && isRecord(single)) {
        const { anyOf: _, ...about } = out;
        return this.#canonical({ ...single, ...about });
      }
      out.anyOf = options;
    }
    if (Array.isArray(type)) {
      const types = type.filter((one) => one !== 'null');
      if (types.length < type.length) out.nullable = true;
      if (types.length === 1) out.type ??= types[0];
      else if (types.length > 1) out.anyOf ??= types.map((one) => ({ type: one }));
    } else if (type !== undefined) out.type ??= type;
    if (out.exclusiveMinimum !== undefined && out.minimum === undefined) out.minimum = out.exclusiveMinimum;
    if (out.exclusiveMaximum !== undefined && out.maximum === undefined) out.maximum = out.exclusiveMaximum;
    return out;
  }

  #value(key: string, value: unknown, path: readonly string[]): unknown {
    const deeper = [...path, ''];
    if (key === 'type' && typeof value === 'string') return value.toUpperCase();
    if (key === 'properties' && isRecord(value)) {
      const properties = Object.entries(value).map(([name, inner]) => [
        name,
        isRecord(inner) ? this.clean(inner, deeper) : {},
      ]);
      return Object.fromEntries(properties);
    }
    if (key === 'items') return isRecord(value) ? this.clean(value, deeper) : {};
    if (key === 'anyOf' && Array.isArray(value)) {
      return value.filter(isRecord).map((option) => this.clean(option, deeper));
    }
    return value;
  }
}
