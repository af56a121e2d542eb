import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Warning } from '../../core/warning.ts';
import { geminiSchema, SchemaExpansion } from './schema.ts';

const convert = (schema: JsonObject) => geminiSchema(schema, new SchemaExpansion('tools'));

/** Definitions of which each refers to the next one twice. */
function doubling(levels: number): JsonObject {
  const definition = (next: number) => ({
    type: 'object',
    properties: { a: { $ref: `#/$defs/d${next}` }, b: { $ref: `#/$defs/d${next}` } },
  });
  const $defs = Object.fromEntries(
    Array.from({ length: levels }, (_, index) => [`d${index}`, definition(index + 1)]),
  );
  return { $ref: '#/$defs/d0', $defs: { ...$defs, [`d${levels}`]: { type: 'string' } } };
}

describe('references', () => {
  test('are expanded', () => {
    const leaf = { type: 'STRING' };
    const inner = { type: 'OBJECT', properties: { a: leaf, b: leaf } };
    expect(convert(doubling(2))).toEqual({ type: 'OBJECT', properties: { a: inner, b: inner } });
  });

  test('that double at each level are rejected', () => {
    const error = (() => {
      try {
        return convert(doubling(40));
      } catch (thrown) {
        return thrown;
      }
    })();
    if (!(error instanceof GatewayError)) throw new Error('expected a GatewayError');
    expect([error.code, error.param, error.message]).toEqual([
      'invalid_request',
      'tools',
      expect.stringContaining('more than 1000000 characters'),
    ]);
  });

  test('to long texts are limited too, over all schemas of a request', () => {
    const expansion = new SchemaExpansion('tools');
    const long = {
      properties: { a: { $ref: '#/$defs/long' }, b: { $ref: '#/$defs/long' } },
      $defs: { long: { type: 'string', description: 'x'.repeat(300_000) } },
    };
    geminiSchema(long, expansion);
    expect(() => geminiSchema(long, expansion)).toThrow('expand to more than');
  });

  test('that are not encoded well, or lead nowhere, allow any object', () => {
    expect(convert({ $ref: '#/%' })).toEqual({ type: 'OBJECT' });
    expect(convert({ $ref: '#/$defs/none' })).toEqual({ type: 'OBJECT' });
  });
});

test('the parts of allOf are merged: earlier keywords take precedence, properties are united', () => {
  const schema = {
    type: 'object',
    description: 'first',
    properties: { a: { type: 'string' } },
    required: ['a'],
    allOf: [
      { description: 'second', properties: { b: { type: 'number' } }, required: ['a', 'b'] },
      { $ref: '#/$defs/c' },
    ],
    $defs: { c: { properties: { c: { type: 'boolean' } }, title: 'third' } },
  };
  expect(convert(schema)).toEqual({
    type: 'OBJECT',
    description: 'first',
    title: 'third',
    properties: { a: { type: 'STRING' }, b: { type: 'NUMBER' }, c: { type: 'BOOLEAN' } },
    required: ['a', 'b'],
  });
});

describe('keywords that the target lacks', () => {
  const omitted = (schema: JsonObject) => {
    const warnings: Warning[] = [];
    const expansion = new SchemaExpansion('tools');
    geminiSchema(schema, expansion);
    expansion.warnOfOmitted((warning) => warnings.push(warning));
    return warnings;
  };

  test.each([
    ['prefixItems', { type: 'array', prefixItems: [{ type: 'string' }] }],
    ['not', { type: 'object', properties: { a: { not: { type: 'null' } } } }],
    ['patternProperties', { type: 'array', items: { patternProperties: { '^a': {} } } }],
    ['additionalProperties', { type: 'object', additionalProperties: { type: 'string' } }],
    ['oneOf', { anyOf: [{ type: 'string' }, { type: 'integer' }], oneOf: [{ minLength: 2 }] }],
    ['exclusiveMinimum', { type: 'number', exclusiveMinimum: 0 }],
  ])('cause a warning: %s', (name, schema) => {
    expect(omitted(schema)).toEqual([
      { kind: 'unsupported', param: 'tools', message: expect.stringContaining(`support "${name}";`) },
    ]);
  });

  test('cause none where the loss changes nothing', () => {
    const schema = { $schema: 'x', type: 'object', additionalProperties: false, $defs: {}, examples: [] };
    expect(omitted({ ...schema, properties: { not: { type: 'string' } } })).toEqual([]);
  });
});
