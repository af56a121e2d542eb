import {
  asSchema,
  type Budget,
  canonicalText,
  resolveReference,
  type Schema,
  SchemaError,
  type SchemaObject,
  sameJson,
  schemaList,
  schemaMap,
  stringList,
  typeList,
} from './types.ts';
import type { SchemaContext } from './validate.ts';

/** A schema without references and combinations: plain keywords, and open choices. */
export interface FlatSchema {
  readonly keywords: SchemaObject;
  readonly choices: readonly Choice[];
}

/** Alternatives of which one must match. */
export interface Choice {
  readonly alternatives: readonly Schema[];
  /** `oneOf`: the others must not match. */
  readonly exactlyOne: boolean;
}

const MAX_DEPTH = 60;

/** Resolves references and combinations. @throws SchemaError when no value can match, such as for `false` */
export function flatten(schema: Schema, context: SchemaContext, depth = 0): FlatSchema {
  context.budget.spend();
  if (schema === false) throw new SchemaError('the schema allows nothing');
  if (schema === true) return { keywords: {}, choices: [] };
  if (depth > MAX_DEPTH) throw new SchemaError('the schema refers to itself without end');
  context.budget.spendOn(schema);
  const { $ref, allOf, anyOf, oneOf, nullable, if: condition, then, else: otherwise, ...keywords } = schema;
  const choices: Choice[] = [];
  if (anyOf !== undefined) choices.push({ alternatives: schemaList(anyOf), exactlyOne: false });
  if (oneOf !== undefined) choices.push({ alternatives: schemaList(oneOf), exactlyOne: true });
  if (condition !== undefined) {
    const held = asSchema(condition);
    const alternatives = [
      { allOf: [held, asSchema(then ?? true)] },
      { allOf: [{ not: held }, asSchema(otherwise ?? true)] },
    ];
    choices.push({ alternatives, exactlyOne: false });
  }
  let flat: FlatSchema = { keywords: withNumericBounds(keywords), choices };
  if (typeof $ref === 'string') {
    flat = mergeFlat(flatten(resolveReference(context.root, $ref), context, depth + 1), flat, context.budget);
  }
  if (allOf !== undefined) {
    for (const part of schemaList(allOf)) {
      flat = mergeFlat(flat, flatten(part, context, depth + 1), context.budget);
    }
  }
  // Null is allowed, independent of the parts.
  return nullable === true ? { ...flat, keywords: { ...flat.keywords, nullable } } : flat;
}

/** @returns a schema that matches only values that both match */
export function mergeFlat(a: FlatSchema, b: FlatSchema, budget: Budget): FlatSchema {
  budget.spendOn(a.keywords);
  budget.spendOn(b.keywords);
  budget.spend(a.choices.length + b.choices.length);
  const merged: Record<string, unknown> = { ...a.keywords };
  for (const [keyword, value] of Object.entries(b.keywords)) {
    merged[keyword] = Object.hasOwn(merged, keyword) ? mergeKeyword(keyword, merged[keyword], value) : value;
  }
  const types = [typeList(a.keywords), typeList(b.keywords)].filter((list) => list.length > 0);
  if (types.length === 2) {
    budget.spend((types[0]?.length ?? 0) * (types[1]?.length ?? 0));
    merged.type = commonTypes(types[0] ?? [], types[1] ?? []);
  }
  if (a.keywords.nullable !== b.keywords.nullable) delete merged.nullable;
  return { keywords: merged, choices: [...a.choices, ...b.choices] };
}

function mergeKeyword(keyword: string, a: unknown, b: unknown): unknown {
  switch (keyword) {
    case 'minimum':
    case 'exclusiveMinimum':
    case 'minLength':
    case 'minItems':
    case 'minProperties':
      return Math.max(Number(a), Number(b));
    case 'maximum':
    case 'exclusiveMaximum':
    case 'maxLength':
    case 'maxItems':
    case 'maxProperties':
      return Math.min(Number(a), Number(b));
    case 'multipleOf':
      return commonMultiple(Number(a), Number(b));
    case 'enum': {
      if (!Array.isArray(a) || !Array.isArray(b)) return b;
      const common = new Set(b.map(canonicalText));
      return a.filter((item) => common.has(canonicalText(item)));
    }
    case 'const':
      if (!sameJson(a, b)) throw new SchemaError('two constants exclude each other');
      return a;
    case 'required':
      return [...new Set([...stringList(a), ...stringList(b)])];
    case 'properties':
    case 'patternProperties':
      return mergeProperties(a, b);
    case 'items':
    case 'additionalProperties':
    case 'propertyNames':
    case 'contains':
      return Array.isArray(a) || Array.isArray(b) ? b : bothOf(asSchema(a), asSchema(b));
    case 'not':
      return { anyOf: [a, b] };
    case 'uniqueItems':
      return a === true || b === true;
    default:
      return b;
  }
}

function mergeProperties(a: unknown, b: unknown): SchemaObject {
  const merged = new Map(schemaMap(a));
  for (const [name, schema] of schemaMap(b)) {
    const known = merged.get(name);
    merged.set(name, known === undefined ? schema : bothOf(known, schema));
  }
  return Object.fromEntries(merged);
}

function bothOf(a: Schema, b: Schema): Schema {
  if (a === false || b === false) return false;
  if (a === true) return b;
  return b === true ? a : { allOf: [a, b] };
}

function commonTypes(a: readonly string[], b: readonly string[]): readonly string[] {
  const common = a.filter((type) => b.includes(type) || (type === 'integer' && b.includes('number')));
  if (b.includes('integer') && a.includes('number') && !common.includes('integer')) common.push('integer');
  if (common.length === 0) throw new SchemaError('two types exclude each other');
  return common;
}

function commonMultiple(a: number, b: number): number {
  if (!Number.isInteger(a) || !Number.isInteger(b)) return Math.max(a, b);
  let [high, low] = [Math.max(a, b), Math.min(a, b)];
  while (low > 0) [high, low] = [low, high % low];
  return (a / high) * b;
}

/** Converts draft 4's exclusive bounds, which are booleans next to the bound. */
function withNumericBounds(keywords: SchemaObject): SchemaObject {
  const { exclusiveMinimum, exclusiveMaximum, minimum, maximum } = keywords;
  if (typeof exclusiveMinimum !== 'boolean' && typeof exclusiveMaximum !== 'boolean') return keywords;
  const changed: Record<string, unknown> = { ...keywords };
  if (typeof exclusiveMinimum === 'boolean') {
    delete changed.exclusiveMinimum;
    if (exclusiveMinimum && minimum !== undefined) changed.exclusiveMinimum = minimum;
  }
  if (typeof exclusiveMaximum === 'boolean') {
    delete changed.exclusiveMaximum;
    if (exclusiveMaximum && maximum !== undefined) changed.exclusiveMaximum = maximum;
  }
  return changed;
}
