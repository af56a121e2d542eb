import { isRecord } from '../../core/json.ts';
import { type Pattern, parsePattern } from './pattern.ts';
import {
  asSchema,
  type Budget,
  canonicalText,
  codePoints,
  numberOf,
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

const MAX_DEPTH = 200;

/** State that validation and generation for one schema share. */
export interface SchemaContext {
  readonly root: Schema;
  readonly budget: Budget;
  readonly patterns: Map<string, Pattern>;
}

/**
 * @returns the parsed pattern, cached in the context
 * @throws SchemaError for an invalid one
 */
export function patternOf(context: SchemaContext, source: string): Pattern {
  const known = context.patterns.get(source);
  if (known !== undefined) return known;
  context.budget.spend(source.length);
  const pattern = parsePattern(source);
  context.patterns.set(source, pattern);
  return pattern;
}

/** @returns whether the value matches the schema. Formats are annotations and not checked. */
export function fits(schema: Schema, value: unknown, context: SchemaContext, depth = 0): boolean {
  context.budget.spend();
  if (depth > MAX_DEPTH) throw new SchemaError('the schema refers to itself without end');
  if (typeof schema === 'boolean') return schema;
  context.budget.spendOn(schema);
  if (value === null && schema.nullable === true) return true;
  const check = (other: Schema, inner: unknown) => fits(other, inner, context, depth + 1);
  return (
    fitsCombination(schema, value, context.root, check) &&
    fitsType(schema, value) &&
    (typeof value !== 'number' || fitsNumber(schema, value)) &&
    (typeof value !== 'string' || fitsString(schema, value, context)) &&
    (!Array.isArray(value) || fitsArray(schema, value, context.budget, check)) &&
    (!isRecord(value) || fitsObject(schema, value, context, check))
  );
}

type Check = (schema: Schema, value: unknown) => boolean;

function fitsCombination(schema: SchemaObject, value: unknown, root: Schema, check: Check): boolean {
  if (typeof schema.$ref === 'string' && !check(resolveReference(root, schema.$ref), value)) return false;
  if (schema.allOf !== undefined && !schemaList(schema.allOf).every((part) => check(part, value)))
    return false;
  if (schema.anyOf !== undefined && !schemaList(schema.anyOf).some((part) => check(part, value)))
    return false;
  if (schema.oneOf !== undefined) {
    if (schemaList(schema.oneOf).filter((part) => check(part, value)).length !== 1) return false;
  }
  if (schema.not !== undefined && check(asSchema(schema.not), value)) return false;
  if (schema.if === undefined) return true;
  const branch = check(asSchema(schema.if), value) ? schema.then : schema.else;
  return branch === undefined || check(asSchema(branch), value);
}

function fitsType(schema: SchemaObject, value: unknown): boolean {
  if (Object.hasOwn(schema, 'const') && !sameJson(schema.const, value)) return false;
  if (Array.isArray(schema.enum) && !schema.enum.some((item) => sameJson(item, value))) return false;
  const types = typeList(schema);
  return types.length === 0 || types.some((type) => isOfType(value, type));
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isRecord(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

function fitsNumber(schema: SchemaObject, value: number): boolean {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  if (typeof minimum === 'number' && (value < minimum || (exclusiveMinimum === true && value === minimum)))
    return false;
  if (typeof maximum === 'number' && (value > maximum || (exclusiveMaximum === true && value === maximum)))
    return false;
  if (typeof exclusiveMinimum === 'number' && value <= exclusiveMinimum) return false;
  if (typeof exclusiveMaximum === 'number' && value >= exclusiveMaximum) return false;
  return isMultiple(value, numberOf(schema, 'multipleOf'));
}

function isMultiple(value: number, step: number | undefined): boolean {
  if (step === undefined || step <= 0) return true;
  const quotient = value / step;
  return Math.abs(quotient - Math.round(quotient)) <= 1e-9 * Math.max(1, Math.abs(quotient));
}

function fitsString(schema: SchemaObject, value: string, context: SchemaContext): boolean {
  const { minLength, maxLength, pattern } = schema;
  if (typeof minLength === 'number' && codePoints(value) < minLength) return false;
  if (typeof maxLength === 'number' && codePoints(value) > maxLength) return false;
  return typeof pattern !== 'string' || patternOf(context, pattern).matches(value, context.budget);
}

function fitsArray(schema: SchemaObject, value: readonly unknown[], budget: Budget, check: Check): boolean {
  if (value.length < (numberOf(schema, 'minItems') ?? 0)) return false;
  if (value.length > (numberOf(schema, 'maxItems') ?? Number.POSITIVE_INFINITY)) return false;
  if (schema.uniqueItems === true) {
    budget.spend(value.length);
    if (new Set(value.map(canonicalText)).size < value.length) return false;
  }
  const { prefix, rest } = arraySchemas(schema);
  if (!value.every((item, at) => check(prefix[at] ?? rest, item))) return false;
  if (schema.contains === undefined) return true;
  const contains = asSchema(schema.contains);
  const found = value.filter((item) => check(contains, item)).length;
  return (
    found >= (numberOf(schema, 'minContains') ?? 1) && found <= (numberOf(schema, 'maxContains') ?? found)
  );
}

/** @returns the schemas of an array's first items and of the rest, from both old and new keywords */
export function arraySchemas(schema: SchemaObject): {
  readonly prefix: readonly Schema[];
  readonly rest: Schema;
} {
  if (Array.isArray(schema.items)) {
    return { prefix: schemaList(schema.items), rest: asSchema(schema.additionalItems ?? true) };
  }
  return {
    prefix: schema.prefixItems === undefined ? [] : schemaList(schema.prefixItems),
    rest: asSchema(schema.items ?? true),
  };
}

function fitsObject(
  schema: SchemaObject,
  value: SchemaObject,
  context: SchemaContext,
  check: Check,
): boolean {
  const names = Object.keys(value);
  if (names.length < (numberOf(schema, 'minProperties') ?? 0)) return false;
  if (names.length > (numberOf(schema, 'maxProperties') ?? Number.POSITIVE_INFINITY)) return false;
  if (!stringList(schema.required).every((name) => Object.hasOwn(value, name))) return false;
  if (schema.propertyNames !== undefined) {
    const nameSchema = asSchema(schema.propertyNames);
    if (!names.every((name) => check(nameSchema, name))) return false;
  }
  for (const name of names) {
    if (stringList(dependents(schema, name)).some((other) => !Object.hasOwn(value, other))) return false;
    if (!propertySchemas(schema, name, context).every((part) => check(part, value[name]))) return false;
  }
  return true;
}

/** @returns the properties that are required when the named one is present */
export function dependents(schema: SchemaObject, name: string): unknown {
  const all = schema.dependentRequired;
  return isRecord(all) && Object.hasOwn(all, name) ? all[name] : undefined;
}

/** @returns every schema that applies to the named property */
export function propertySchemas(
  schema: SchemaObject,
  name: string,
  context: SchemaContext,
): readonly Schema[] {
  const found: Schema[] = [];
  const own = schema.properties;
  if (isRecord(own) && Object.hasOwn(own, name)) found.push(asSchema(own[name]));
  if (isRecord(schema.patternProperties)) context.budget.spend(Object.keys(schema.patternProperties).length);
  for (const [source, part] of schemaMap(schema.patternProperties)) {
    if (patternOf(context, source).matches(name, context.budget)) found.push(part);
  }
  if (found.length === 0 && schema.additionalProperties !== undefined) {
    found.push(asSchema(schema.additionalProperties));
  }
  return found;
}
