import type { Random } from '../random.ts';
import { type Choice, type FlatSchema, flatten, mergeFlat } from './flatten.ts';
import { makeNumber, makeString } from './scalars.ts';
import {
  asSchema,
  type Budget,
  canonicalText,
  type Json,
  numberOf,
  type Schema,
  SchemaError,
  type SchemaObject,
  schemaMap,
  stringList,
  typeList,
} from './types.ts';
import { arraySchemas, dependents, fits, propertySchemas, type SchemaContext } from './validate.ts';

const ATTEMPTS = 16;
const ALL_TYPES = ['string', 'integer', 'boolean', 'number', 'object', 'array', 'null'] as const;
const MAX_UNIQUE_ITEMS = 1000;
/** From this depth, only required parts are generated, so that recursive schemas end. */
const SOFT_DEPTH = 4;
const HARD_DEPTH = 24;

interface Making extends SchemaContext {
  readonly random: Random;
  readonly hints: readonly string[];
  /** Omit optional parts: a second attempt for schemas whose parts conflict. */
  readonly lean: boolean;
}

/**
 * Generates a value that matches a schema.
 * @throws SchemaError when the schema is invalid, no value matches, or none was found within the budget, which several calls
 *   may share
 */
export function makeInstance(
  schema: unknown,
  random: Random,
  hints: readonly string[],
  budget: Budget,
): Json {
  const root = asSchema(schema);
  const context = { root, budget, patterns: new Map() };
  let failure = new SchemaError('no value was found that fits the schema');
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      const value = make(root, { ...context, random, hints, lean: attempt >= ATTEMPTS / 2 }, 0);
      if (fits(root, value, context)) return value;
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error;
      failure = error;
    }
    if (budget.isSpent) break;
  }
  throw failure;
}

function make(schema: Schema, making: Making, depth: number): Json {
  if (depth > HARD_DEPTH) throw new SchemaError('the schema is nested too deeply');
  return makeFlat(flatten(schema, making), making, depth);
}

function makeFlat(flat: FlatSchema, making: Making, depth: number): Json {
  making.budget.spend();
  if (depth >= SOFT_DEPTH && flat.keywords.nullable === true) return null;
  const [choice, ...others] = flat.choices;
  if (choice !== undefined)
    return makeChoice(choice, { keywords: flat.keywords, choices: others }, making, depth);
  const { keywords } = flat;
  if (Object.hasOwn(keywords, 'const')) return asJson(keywords.const);
  if (Array.isArray(keywords.enum)) {
    const { enum: values, ...rest } = keywords;
    return asJson(pickFitting(keywords.enum, rest, making));
  }
  switch (pickType(keywords, making.random, depth)) {
    case 'null':
      return null;
    case 'boolean':
      return making.random.int(2) === 1;
    case 'integer':
      return makeNumber(keywords, true, making.random);
    case 'number':
      return makeNumber(keywords, false, making.random);
    case 'array':
      return makeArray(keywords, making, depth);
    case 'object':
      return makeObject(keywords, making, depth);
    default:
      return makeString(keywords, making.random, making.hints, making);
  }
}

function makeChoice(choice: Choice, rest: FlatSchema, making: Making, depth: number): Json {
  let failure = new SchemaError('no alternative can be met');
  for (const alternative of order(choice.alternatives, making, depth)) {
    try {
      const merged = mergeFlat(rest, flatten(alternative, making), making.budget);
      const value = makeFlat(merged, making, depth);
      if (!choice.exactlyOne) return value;
      if (choice.alternatives.filter((other) => fits(other, value, making)).length === 1) return value;
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error;
      failure = error;
    }
    // The budget ends an endless search.
    making.budget.spend();
  }
  throw failure;
}

/** Orders alternatives: a random one that is not null first, and deep inside, the simplest first. */
function order(alternatives: readonly Schema[], making: Making, depth: number): readonly Schema[] {
  const start = making.random.int(Math.max(1, alternatives.length));
  const turned = [...alternatives.slice(start), ...alternatives.slice(0, start)];
  const weight = depth >= SOFT_DEPTH ? nesting : (schema: Schema) => (isNull(schema) ? 1 : 0);
  return turned.sort((a, b) => weight(a) - weight(b));
}

function isNull(schema: Schema): boolean {
  return typeof schema === 'object' && (schema.type === 'null' || schema.const === null);
}

function nesting(schema: Schema): number {
  if (typeof schema === 'boolean' || isNull(schema)) return 0;
  if (typeof schema.$ref === 'string' || schema.properties !== undefined || schema.items !== undefined)
    return 2;
  return 1;
}

function pickType(keywords: SchemaObject, random: Random, depth: number): string {
  const types = typeList(keywords);
  if (depth >= SOFT_DEPTH && types.includes('null')) return 'null';
  const real = types.filter((type) => type !== 'null');
  if (real.length > 0) return random.pick(real);
  if (types.length > 0) return 'null';
  const has = (...names: string[]) => names.some((name) => Object.hasOwn(keywords, name));
  if (has('properties', 'required', 'additionalProperties', 'patternProperties', 'minProperties'))
    return 'object';
  if (has('items', 'prefixItems', 'minItems', 'maxItems', 'contains', 'uniqueItems')) return 'array';
  if (has('minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf')) return 'number';
  if (has('not')) return random.pick(ALL_TYPES);
  return 'string';
}

function pickFitting(values: readonly unknown[], keywords: SchemaObject, making: Making): unknown {
  const fitting = values.filter((value) => fits(keywords, value, making));
  if (fitting.length === 0) throw new SchemaError('no value of the enum can be met');
  return making.random.pick(fitting);
}

function makeArray(keywords: SchemaObject, making: Making, depth: number): Json[] {
  const { prefix, rest } = arraySchemas(keywords);
  const contains = keywords.contains === undefined ? undefined : asSchema(keywords.contains);
  const mustContain = contains === undefined ? 0 : (numberOf(keywords, 'minContains') ?? 1);
  const max = numberOf(keywords, 'maxItems') ?? Infinity;
  const min = Math.max(numberOf(keywords, 'minItems') ?? 0, mustContain);
  const wanted =
    making.lean || depth >= SOFT_DEPTH ? min : Math.max(min, prefix.length, 1 + making.random.int(3));
  const count = Math.min(max, wanted);
  if (keywords.uniqueItems === true && count > MAX_UNIQUE_ITEMS) {
    throw new SchemaError('the schema asks for too many unique items');
  }
  const items: Json[] = [];
  const seen = keywords.uniqueItems === true ? new Set<string>() : undefined;
  while (items.length < count) {
    const own = prefix[items.length] ?? rest;
    const schema = contains !== undefined && items.length < mustContain ? { allOf: [own, contains] } : own;
    const item = tryItem(schema, seen, making, depth);
    if (item === undefined) {
      if (items.length >= min) break;
      throw new SchemaError('an array cannot be filled');
    }
    items.push(item);
  }
  return items;
}

/**
 * @param seen canonical texts of the items so far, where items must be unique
 * @returns undefined when no further item is valid with the others
 */
function tryItem(
  schema: Schema,
  seen: Set<string> | undefined,
  making: Making,
  depth: number,
): Json | undefined {
  for (let attempt = 0; attempt < 40; attempt++) {
    const item = tryMake(schema, making, depth + 1);
    if (item === undefined) return undefined;
    if (!seen) return item;
    const text = canonicalText(item);
    if (seen.has(text)) continue;
    seen.add(text);
    return item;
  }
  return undefined;
}

function makeObject(keywords: SchemaObject, making: Making, depth: number): Json {
  const declared = schemaMap(keywords.properties);
  const required = withDependents(new Set(stringList(keywords.required)), keywords);
  const max = numberOf(keywords, 'maxProperties') ?? Infinity;
  const min = numberOf(keywords, 'minProperties') ?? 0;
  const made = new Map<string, Json>();
  for (const name of required) {
    if (made.size < max) made.set(name, make(propertySchema(keywords, name, making), making, depth + 1));
  }
  const skipOptional = making.lean || depth >= SOFT_DEPTH;
  for (const name of declared.keys()) {
    if (made.has(name) || made.size >= max || (skipOptional && made.size >= min)) continue;
    if (stringList(dependents(keywords, name)).some((other) => !made.has(other))) continue;
    const value = tryMake(propertySchema(keywords, name, making), making, depth + 1);
    if (value !== undefined) made.set(name, value);
  }
  for (let extra = 0; made.size < min; extra++) {
    const name = extraName(keywords, extra, making);
    if (!made.has(name)) made.set(name, make(propertySchema(keywords, name, making), making, depth + 1));
    making.budget.spend();
  }
  return Object.fromEntries(inDeclaredOrder(made, declared));
}

function propertySchema(keywords: SchemaObject, name: string, making: Making): Schema {
  const schemas = propertySchemas(keywords, name, making);
  const [only] = schemas;
  return schemas.length === 1 && only !== undefined ? only : { allOf: schemas };
}

function withDependents(names: Set<string>, keywords: SchemaObject): Set<string> {
  // Iterating a set visits items that are added meanwhile.
  for (const name of names) for (const other of stringList(dependents(keywords, name))) names.add(other);
  return names;
}

function extraName(keywords: SchemaObject, index: number, making: Making): string {
  if (keywords.propertyNames !== undefined) {
    const name = make({ allOf: [{ type: 'string' }, asSchema(keywords.propertyNames)] }, making, HARD_DEPTH);
    return typeof name === 'string' ? name : `extra_${index}`;
  }
  const [pattern] = schemaMap(keywords.patternProperties).keys();
  if (pattern === undefined) return `extra_${index}`;
  return makeString({ pattern }, making.random, making.hints, making);
}

function inDeclaredOrder(
  made: ReadonlyMap<string, Json>,
  declared: ReadonlyMap<string, Schema>,
): [string, Json][] {
  const places = new Map([...declared.keys()].map((name, place) => [name, place]));
  const place = (name: string) => places.get(name) ?? places.size;
  return [...made].sort(([a], [b]) => place(a) - place(b));
}

function tryMake(schema: Schema, making: Making, depth: number): Json | undefined {
  try {
    return make(schema, making, depth);
  } catch (error) {
    if (error instanceof SchemaError) return undefined;
    throw error;
  }
}

/** Values inside a schema are JSON, because the schema was parsed from JSON. */
function asJson(value: unknown): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string')
    return value;
  if (Array.isArray(value)) return value.map(asJson);
  if (typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, asJson(item)]));
  }
  throw new SchemaError('a schema holds a value that is not JSON');
}
