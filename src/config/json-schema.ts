import { z } from 'zod';
import { perObject } from '../core/per-object.ts';
import type { ConfigCatalog } from './catalog.ts';
import type { ConfigPath } from './path.ts';
import { configSchema } from './schema.ts';

/** The parts of JSON Schema that describe the configuration. */
export interface JsonSchema {
  readonly $schema?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly propertyNames?: JsonSchema;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly enum?: readonly (string | number | boolean | null)[];
  readonly default?: unknown;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  /** The kind of text, for the documentation: duration, size or URL. */
  readonly 'x-type'?: string;
  /** Whether a secret reference may be given. */
  readonly 'x-secret'?: boolean;
}

/** Any scalar may be text with a variable in it, whatever its type is afterwards. */
const INTERPOLATED: JsonSchema = { type: 'string', pattern: '\\$\\{' };

/**
 * The JSON Schema (draft 2020-12) of the file as people write it, for completion and checks in editors: with
 * descriptions and defaults, and with `${NAME}` allowed wherever a scalar is.
 */
export function configJsonSchema(catalog: ConfigCatalog): JsonSchema {
  const { $schema, ...schema } = describeConfig(catalog);
  return { ...($schema === undefined ? {} : { $schema }), title: 'Weir configuration', ...asWritten(schema) };
}

/** The schema of the values after variables are substituted; `x-type` names the kind of text. */
export const describeConfig = perObject(
  (catalog: ConfigCatalog): JsonSchema =>
    fromZod(z.toJSONSchema(configSchema(catalog), { io: 'input', reused: 'inline' })),
);

/** The keys that the map at `path` may have; none when it is no map, or one with free keys. */
export function knownKeys(schema: JsonSchema, path: ConfigPath): readonly string[] {
  let current: readonly JsonSchema[] = alternatives(schema);
  for (const part of path) {
    current = current.flatMap((option) => {
      const child = typeof part === 'number' ? option.items : option.properties?.[part];
      return child === undefined ? [] : alternatives(child);
    });
  }
  return current.flatMap((option) => Object.keys(option.properties ?? {}));
}

/** The branches of a schema: those of `anyOf`, nested ones included, or the schema itself. */
export function alternatives(schema: JsonSchema): readonly JsonSchema[] {
  return schema.anyOf?.flatMap(alternatives) ?? [schema];
}

function asWritten(schema: JsonSchema): JsonSchema {
  const { 'x-type': _kind, 'x-secret': _secret, default: fallback, description, ...rest } = schema;
  const about = {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
  };
  const branches = alternatives(rest).map(container);
  const scalar = branches.some((branch) => !isContainer(branch) && branch.type !== 'null');
  if (scalar) return { ...about, anyOf: [...branches, INTERPOLATED] };
  const optional = fallback !== undefined && !branches.some((branch) => branch.type === 'null');
  const all: readonly JsonSchema[] = optional ? [...branches, { type: 'null' }] : branches;
  const [only] = all;
  return all.length === 1 && only !== undefined ? { ...about, ...only } : { ...about, anyOf: all };
}

function container(schema: JsonSchema): JsonSchema {
  const { 'x-type': _kind, 'x-secret': _secret, ...rest } = schema;
  const { properties, items, additionalProperties } = rest;
  return {
    ...rest,
    ...(items === undefined ? {} : { items: asWritten(items) }),
    ...(typeof additionalProperties === 'object'
      ? { additionalProperties: asWritten(additionalProperties) }
      : {}),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([key, value]) => [key, asWritten(value)]),
          ),
        }),
  };
}

function isContainer(schema: JsonSchema): boolean {
  return schema.type === 'object' || schema.type === 'array';
}

/** The library's type admits all of JSON Schema; ours, what our schema makes it generate (a test compares them). */
function fromZod(schema: z.core.JSONSchema.JSONSchema): JsonSchema {
  return schema as JsonSchema;
}
