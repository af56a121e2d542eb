import { GatewayError } from '../../core/errors.ts';
import { isRecord, type JsonObject } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';

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
/** Keywords of JSON Schema whose loss changes which values are valid. `false` only excludes other members. */
const RESTRICTIONS: ReadonlySet<string> = new Set([
  'additionalProperties',
  'additionalItems',
  'contains',
  'dependentRequired',
  'dependentSchemas',
  'dependencies',
  'else',
  'exclusiveMaximum',
  'exclusiveMinimum',
  'if',
  'maxContains',
  'minContains',
  'multipleOf',
  'not',
  'patternProperties',
  'prefixItems',
  'propertyNames',
  'then',
  'unevaluatedItems',
  'unevaluatedProperties',
  'uniqueItems',
]);
const MAX_DEPTH = 40;
/** UTF-16 units that resolved references may add to the schemas of one request. */
const MAX_EXPANSION = 1_000_000;
const ANY_OBJECT: JsonObject = { type: 'OBJECT' };

/**
 * Limits how much references add to the schemas of one request: a few nested references double the result with each level.
 */
export class SchemaExpansion {
  /** Keywords that were omitted. */
  readonly omitted = new Set<string>();
  #left = MAX_EXPANSION;
  readonly #sizes = new Map<object, number>();

  /** @param param member of the request with the schemas, for the error */
  constructor(private readonly param: string) {}

  /** Counts a copy of a schema. @throws GatewayError `invalid_request` above the limit */
  add(schema: JsonObject): void {
    this.#left -= this.#sizeOf(schema);
    if (this.#left >= 0) return;
    throw new GatewayError(
      'invalid_request',
      `"${this.param}" has JSON schemas whose references ("$ref") expand to more than ${MAX_EXPANSION} characters; this target needs them expanded. Use fewer references.`,
      { param: this.param },
    );
  }

  /** Warns of the omitted keywords. */
  warnOfOmitted(warn: Warn): void {
    if (this.omitted.size === 0) return;
    const names = [...this.omitted].map((name) => `"${name}"`).join(', ');
    warn({
      kind: 'unsupported',
      param: this.param,
      message: `The target's schemas do not support ${names}; omitted.`,
    });
  }

  /** @returns about the length of the JSON text; each object is measured once */
  #sizeOf(value: unknown): number {
    if (typeof value === 'string') return value.length;
    if (typeof value !== 'object' || value === null) return 1;
    const known = this.#sizes.get(value);
    if (known !== undefined) return known;
    let size = 1;
    for (const [key, member] of Object.entries(value)) size += key.length + 1 + this.#sizeOf(member);
    this.#sizes.set(value, size);
    return size;
  }
}

/**
 * Converts a JSON Schema to Gemini's form: resolves references, drops unknown keywords, and converts `const` to `enum`,
 * nullable types to `nullable`, and types to capitals. A recursive reference becomes an object of any form.
 * @throws GatewayError `invalid_request` when its references expand to too much
 */
export function geminiSchema(schema: JsonObject, expansion: SchemaExpansion): JsonObject {
  return new Cleaner(schema, expansion).clean(schema, []);
}

class Cleaner {
  readonly #resolved = new Map<string, JsonObject | undefined>();

  constructor(
    private readonly root: JsonObject,
    private readonly expansion: SchemaExpansion,
  ) {}

  clean(schema: JsonObject, path: readonly string[]): JsonObject {
    if (path.length > MAX_DEPTH) return ANY_OBJECT;
    const reference = schema.$ref;
    if (typeof reference === 'string') {
      const target = this.#resolve(reference);
      if (!target || path.includes(reference)) return ANY_OBJECT;
      this.expansion.add(target);
      const { $ref: _, ...beside } = schema;
      return this.clean({ ...target, ...beside }, [...path, reference]);
    }
    const { allOf, ...rest } = schema;
    if (Array.isArray(allOf)) return this.clean(this.#merge(rest, allOf), [...path, '']);
    const out: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(this.#canonical(rest))) {
      if (KEPT.has(key)) out[key] = this.#value(key, value, path);
      else if (RESTRICTIONS.has(key) && value !== false) this.expansion.omitted.add(key);
    }
    return out;
  }

  #resolve(reference: string): JsonObject | undefined {
    if (this.#resolved.has(reference)) return this.#resolved.get(reference);
    const target = this.#find(reference);
    this.#resolved.set(reference, target);
    return target;
  }

  #find(reference: string): JsonObject | undefined {
    if (!reference.startsWith('#')) return undefined;
    let current: unknown = this.root;
    for (const step of reference
      .slice(1)
      .split('/')
      .filter((part) => part !== '')) {
      const key = decodedStep(step);
      current =
        key !== undefined && isRecord(current) && Object.hasOwn(current, key) ? current[key] : undefined;
    }
    return isRecord(current) ? current : undefined;
  }

  /** Merges the parts of an `allOf` into its schema. Earlier keywords take precedence; properties are united. */
  #merge(base: JsonObject, parts: readonly unknown[]): JsonObject {
    const merged = new Map(Object.entries(base));
    let united = isRecord(base.properties) ? new Map(Object.entries(base.properties)) : undefined;
    let required = Array.isArray(base.required) ? new Set<unknown>(base.required) : undefined;
    for (const part of parts) {
      if (!isRecord(part)) continue;
      const resolved = typeof part.$ref === 'string' ? this.#referenced(part.$ref) : part;
      for (const [key, value] of Object.entries(resolved)) {
        if (key === 'properties' && isRecord(value) && (united || !merged.has(key))) {
          united ??= new Map();
          for (const [name, schema] of Object.entries(value)) united.set(name, schema);
        } else if (key === 'required' && Array.isArray(value) && (required || !merged.has(key))) {
          required ??= new Set();
          for (const name of value) required.add(name);
        } else if (!merged.has(key)) merged.set(key, value);
      }
    }
    if (united) merged.set('properties', Object.fromEntries(united));
    if (required) merged.set('required', [...required]);
    return Object.fromEntries(merged);
  }

  #referenced(reference: string): JsonObject {
    const target = this.#resolve(reference) ?? {};
    this.expansion.add(target);
    return target;
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
    if (Array.isArray(oneOf)) {
      if (out.anyOf === undefined) out.anyOf = oneOf;
      else this.expansion.omitted.add('oneOf');
    }
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

/** Decodes one step of a JSON pointer in a URI fragment (RFC 6901). @returns undefined for an invalid encoding */
function decodedStep(step: string): string | undefined {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return undefined;
  }
}
