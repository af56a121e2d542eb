import { z } from 'zod';

const OPENAPI_VERSION = '3.1.0';
const SCHEMAS = '#/components/schemas/';
/** Where zod's references point to. */
const DEFINITIONS = '#/$defs/';
const DEFAULT_ERRORS = ['400', '401', '404', '413', '429', '502', '503', '504'];

/** One operation, as the API description shows it. Its schemas are those that requests are validated with. */
export interface DocumentedRoute {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly tag: string;
  /** JSON body of the request. */
  readonly request?: z.ZodType;
  /** JSON body of a successful response. */
  readonly response?: z.ZodType;
  /** Media type of a successful response without a JSON schema; `text/plain` by default. */
  readonly responseType?: string;
  /** Parameters in the query. */
  readonly query?: z.ZodObject;
  /** Names of path parameters. */
  readonly parameters?: readonly string[];
  /** True when no key is needed. */
  readonly open?: boolean;
  /** True when the response can also be an event stream. */
  readonly streams?: boolean;
  /** Status of success; 200 by default. */
  readonly status?: 200 | 201 | 204;
  /** Statuses of failure, in place of the usual ones; those of an open route are none. */
  readonly errors?: readonly string[];
  /** Schema of the bodies of failures, in place of the usual one. */
  readonly error?: z.ZodType;
}

export interface ApiDescription {
  readonly version: string;
  readonly routes: readonly DocumentedRoute[];
  /** Schema of all error bodies. */
  readonly error: z.ZodType;
}

/**
 * Builds the OpenAPI document. A schema with `.meta({ id })` becomes a component of that name; others are inlined.
 * @returns the document as JSON text
 * @throws Error when two schemas have one id, or a schema has no JSON Schema equivalent
 * @see https://spec.openapis.org/oas/v3.1.0
 */
export function openApiDocument({ version, routes, error }: ApiDescription): string {
  const schemas = convertSchemas(routes, error);
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(route, schemas) };
  }
  const document = {
    openapi: OPENAPI_VERSION,
    info: {
      title: 'Weir',
      version,
      description:
        'One OpenAI-compatible API for every model provider and engine. Fields that are not listed are forwarded to the upstream unchanged.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { apiKey: [] }],
    paths,
    components: {
      schemas: schemas.components,
      responses: {
        Error: { description: "An error in OpenAI's format.", content: json(schemas.of('error')) },
      },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
  };
  return JSON.stringify(document, (key, value: unknown) =>
    key === '$ref' && typeof value === 'string' ? value.replace(DEFINITIONS, SCHEMAS) : value,
  );
}

type JsonSchema = z.core.JSONSchema.JSONSchema;

interface ConvertedSchemas {
  readonly components: Readonly<Record<string, z.core.JSONSchema._JSONSchema>>;
  /** @param part what {@link partName} gives, or `error` */
  of(part: string): JsonSchema;
}

const PARTS = ['request', 'response', 'query', 'error'] as const;
type Part = (typeof PARTS)[number];

function partName({ method, path }: DocumentedRoute, part: Part): string {
  return `${method} ${path} ${part}`;
}

/** Converts all schemas at once, so that those that routes share become one component. */
function convertSchemas(routes: readonly DocumentedRoute[], error: z.ZodType): ConvertedSchemas {
  const parts: Record<string, z.ZodType> = { error };
  for (const route of routes) {
    for (const part of PARTS) {
      const schema = route[part];
      if (schema) parts[partName(route, part)] = schema;
    }
  }
  // "input" also for responses: a later version may add fields to them, so no object is closed unless it is strict.
  const { $defs: components = {}, properties = {} } = z.toJSONSchema(z.object(parts), {
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => clarify(zodSchema, jsonSchema),
  });
  return { components, of: (part) => asObject(properties[part]) };
}

/**
 * Removes limits and patterns that every schema of a type has. Parameters that are parsed from text are described as what
 * the text stands for: a schema may say so with `.meta({ type: 'integer' })`.
 */
function clarify({ _zod: { def } }: z.core.$ZodTypes, schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.format === 'date-time') delete schema.pattern;
  if (schema.type === 'integer') delete schema.pattern;
  if (def.type !== 'default' || schema.default !== undefined) return;
  const { defaultValue } = def;
  if (schema.type === 'integer') schema.default = Number(defaultValue);
  else schema.default = Array.isArray(defaultValue) ? defaultValue : String(defaultValue);
}

/** JSON Schema may also be `true`: anything, or `false`: nothing. */
function asObject(schema: z.core.JSONSchema._JSONSchema = true): JsonSchema {
  if (typeof schema === 'object') return schema;
  return schema ? {} : { not: {} };
}

function operation(route: DocumentedRoute, schemas: ConvertedSchemas): Readonly<Record<string, unknown>> {
  const { summary, description, tag, request, open, errors = DEFAULT_ERRORS, status = 200 } = route;
  const parameters = [...pathParameters(route), ...queryParameters(route, schemas)];
  const failures = open && route.errors === undefined ? [] : errors;
  const failure = route.error
    ? { description: 'An error.', content: json(schemas.of(partName(route, 'error'))) }
    : { $ref: '#/components/responses/Error' };
  return {
    operationId: operationId(route),
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [tag],
    ...(open ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(request
      ? {
          requestBody: {
            required: !request.safeParse({}).success,
            content: json(schemas.of(partName(route, 'request'))),
          },
        }
      : {}),
    responses: {
      [status]: success(route, schemas),
      ...Object.fromEntries(failures.map((code) => [code, failure])),
    },
  };
}

/** Unique because method and path are: `get /v1/models/{id}` becomes `getV1ModelsById`. */
function operationId({ method, path }: DocumentedRoute): string {
  const words = path.replaceAll('{', 'by-').split(/[^A-Za-z0-9]+/);
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function pathParameters({ parameters = [] }: DocumentedRoute) {
  return parameters.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
}

function queryParameters(route: DocumentedRoute, schemas: ConvertedSchemas) {
  if (!route.query) return [];
  const query = schemas.of(partName(route, 'query'));
  const { properties = {}, required = [] } = asObject(schemas.components[nameIn(query)] ?? query);
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...schema } = asObject(property);
    const described = description === undefined ? {} : { description };
    return { name, in: 'query', required: required.includes(name), ...described, schema };
  });
}

/** The component that a schema refers to. */
function nameIn({ $ref = '' }: JsonSchema): string {
  return $ref.slice(DEFINITIONS.length);
}

function success(route: DocumentedRoute, schemas: ConvertedSchemas) {
  if (route.status === 204) return { description: 'Done.' };
  const content = route.response
    ? json(schemas.of(partName(route, 'response')))
    : text(route.responseType ?? 'text/plain');
  return {
    description: 'The response.',
    content: route.streams ? { ...content, ...text('text/event-stream') } : content,
  };
}

const json = (schema: JsonSchema) => ({ 'application/json': { schema } });
const text = (type: string) => ({ [type]: { schema: { type: 'string' } } });
