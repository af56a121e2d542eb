import { describe, expect, test } from 'bun:test';
import { testCatalog } from '../../test/support/provider-catalog.ts';
import { configJsonSchema, describeConfig, type JsonSchema, knownKeys } from './json-schema.ts';

const KEYWORDS = new Set([
  ...['$schema', 'title', 'description', 'type', 'properties', 'required', 'additionalProperties'],
  ...['propertyNames', 'items', 'anyOf', 'enum', 'default', 'pattern', 'minimum', 'maximum'],
  ...['exclusiveMinimum', 'minItems', 'maxItems', 'minLength', 'maxLength', 'x-type', 'x-secret'],
]);

/** Calls back for the schema and every schema within it. */
function visit(schema: JsonSchema, path: string, callback: (schema: JsonSchema, path: string) => void): void {
  callback(schema, path);
  for (const [key, child] of Object.entries(schema.properties ?? {}))
    visit(child, `${path}.${key}`, callback);
  for (const option of schema.anyOf ?? []) visit(option, path, callback);
  if (schema.items !== undefined) visit(schema.items, `${path}[]`, callback);
  if (typeof schema.additionalProperties === 'object')
    visit(schema.additionalProperties, `${path}.*`, callback);
}

describe('JSON Schema', () => {
  test('has only what its type says', () => {
    for (const schema of [describeConfig(testCatalog), configJsonSchema(testCatalog)]) {
      visit(schema, '', (part) => {
        expect(Object.keys(part).filter((key) => !KEYWORDS.has(key))).toEqual([]);
      });
    }
  });

  test('describes every key, and takes no unknown one', () => {
    visit(configJsonSchema(testCatalog), '', (schema, path) => {
      for (const [key, child] of Object.entries(schema.properties ?? {})) {
        expect([`${path}.${key}`, child.description ?? '']).toEqual([
          `${path}.${key}`,
          expect.stringMatching(/\.$/),
        ]);
      }
      if (schema.properties !== undefined) expect(schema.additionalProperties).toBe(false);
    });
  });

  test('is draft 2020-12, with defaults, and lets variables stand for scalars', () => {
    const schema = configJsonSchema(testCatalog);
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    const server = schema.properties?.server?.anyOf?.[0];
    expect(server?.properties?.port).toEqual({
      description: 'The port of the API. 0 takes any free port.',
      default: 8080,
      anyOf: [
        { type: 'integer', minimum: 0, maximum: 65_535 },
        { type: 'string', pattern: '\\$\\{' },
      ],
    });
    expect(server?.properties?.drain_timeout).toMatchObject({ default: '30s' });
    expect(JSON.stringify(schema)).not.toContain('x-type');
  });

  test('knows the keys of a place', () => {
    const schema = describeConfig(testCatalog);
    expect(knownKeys(schema, ['models', 3, 'targets', 0])).toEqual([
      'provider',
      'model',
      'weight',
      'tier',
      'region',
      'limits',
      'max_concurrency',
    ]);
    expect(knownKeys(schema, ['limits', 'per_ip'])).toEqual(['rps', 'burst', 'inflight']);
    expect(knownKeys(schema, ['providers', 0, 'headers'])).toEqual([]);
    expect(knownKeys(schema, ['nope', 0])).toEqual([]);
  });
});
