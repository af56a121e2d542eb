import type { JsonSchema, Tool } from '../core/chat/request.ts';
import { isRecord, type JsonObject } from '../core/json.ts';
import type { Warn } from '../core/warning.ts';
import { changed } from './limited-values.ts';
import type { ToolSchemaRules } from './vendor-limits.ts';

const COMBINED = ['allOf', 'anyOf', 'oneOf'] as const;
/** Keywords whose values are schemas by name. */
const NAMED: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
]);

/** Adapts the schemas of tools to a vendor, with a warning for each that gets another meaning. */
export function withAcceptedSchemas(
  tools: readonly Tool[],
  rules: ToolSchemaRules,
  warn: Warn,
): readonly Tool[] {
  let isSame = true;
  const accepted = tools.map((tool, index): Tool => {
    if (tool.type !== 'function' || tool.parameters === undefined) return tool;
    const parameters = acceptedSchema(tool.parameters, rules, (message) =>
      changed(`tools[${index}].parameters`, message, warn),
    );
    if (parameters === tool.parameters) return tool;
    isSame = false;
    return { ...tool, parameters };
  });
  return isSame ? tools : accepted;
}

function acceptedSchema(
  schema: JsonSchema,
  { isFlat, needsProperties, needsItems }: ToolSchemaRules,
  explain: (message: string) => void,
): JsonSchema {
  let accepted = schema;
  if (isFlat && COMBINED.some((name) => Array.isArray(schema[name]))) {
    explain('The target takes no alternatives at the top of a schema; their members were joined.');
    accepted = flattened(schema);
  }
  if (needsProperties && (accepted.type !== 'object' || !isRecord(accepted.properties))) {
    accepted = { properties: {}, ...accepted, type: 'object' };
  }
  return needsItems ? withItems(accepted) : accepted;
}

/** Joins the alternatives of a schema: all their members, of which those are required that every alternative requires. */
function flattened(schema: JsonSchema): JsonSchema {
  const { allOf, anyOf, oneOf, ...rest } = schema;
  const all = branchesOf(allOf);
  const alternatives = [branchesOf(anyOf), branchesOf(oneOf)].filter((list) => list.length > 0);
  const properties: Record<string, unknown> = {};
  for (const branch of [...all, ...alternatives.flat()]) {
    if (isRecord(branch.properties)) Object.assign(properties, branch.properties);
  }
  if (isRecord(schema.properties)) Object.assign(properties, schema.properties);
  const required = new Set([...requiredOf(schema), ...all.flatMap(requiredOf)]);
  for (const [first, ...others] of alternatives) {
    const shared = others.map((branch) => new Set(requiredOf(branch)));
    for (const name of first ? requiredOf(first) : []) {
      if (shared.every((names) => names.has(name))) required.add(name);
    }
  }
  return { ...rest, type: 'object', properties, ...(required.size === 0 ? {} : { required: [...required] }) };
}

function branchesOf(list: unknown): JsonObject[] {
  return Array.isArray(list) ? list.filter(isRecord) : [];
}

function requiredOf({ required }: JsonObject): string[] {
  return Array.isArray(required) ? required.filter((name) => typeof name === 'string') : [];
}

/** Adds `items` to the schemas of lists without it: any item, as without the keyword. */
function withItems(schema: JsonObject): JsonObject {
  let copy: Record<string, unknown> | undefined;
  for (const name in schema) {
    const value = schema[name];
    if (typeof value !== 'object' || value === null) continue;
    const accepted = NAMED.has(name) ? mapRecord(value) : withItemsIn(value);
    if (accepted === value) continue;
    copy ??= { ...schema };
    copy[name] = accepted;
  }
  const result = copy ?? schema;
  const { type } = result;
  const isList = type === 'array' || (Array.isArray(type) && type.includes('array'));
  return isList && result.items === undefined && result.prefixItems === undefined
    ? { ...result, items: {} }
    : result;
}

function withItemsIn(value: unknown): unknown {
  if (isRecord(value)) return withItems(value);
  if (!Array.isArray(value) || !value.some(isRecord)) return value;
  const mapped = value.map((item: unknown) => (isRecord(item) ? withItems(item) : item));
  return mapped.every((item, index) => item === value[index]) ? value : mapped;
}

/** Changes the schemas of an object of schemas. */
function mapRecord(value: unknown): unknown {
  if (!isRecord(value)) return value;
  let copy: Record<string, unknown> | undefined;
  for (const name in value) {
    const inner = value[name];
    const accepted = withItemsIn(inner);
    if (accepted === inner) continue;
    copy ??= { ...value };
    copy[name] = accepted;
  }
  return copy ?? value;
}
