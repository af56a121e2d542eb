import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { z } from 'zod';
import { runs } from '../../../test/support/effort.ts';
import { createRandom } from '../random.ts';
import { makeInstance } from './instance.ts';
import { Budget, type Json, SchemaError } from './types.ts';

function make(schema: unknown, seed = 'seed', hints: readonly string[] = []): Json {
  return makeInstance(schema, createRandom(seed), hints, new Budget(200_000));
}

/** zod's own reading of the schema, which shares nothing with the code under test. */
function zodAccepts(schema: z.core.JSONSchema.JSONSchema, value: unknown): boolean {
  return z.fromJSONSchema(schema).safeParse(value).success;
}

const scalar: fc.Arbitrary<z.core.JSONSchema.JSONSchema> = fc.oneof(
  fc.record({ type: fc.constantFrom('string', 'boolean', 'null', 'integer', 'number') }),
  fc
    .record({
      low: fc.integer({ min: -1000, max: 1000 }),
      span: fc.integer({ min: 10, max: 500 }),
      step: fc.integer({ min: 1, max: 9 }),
    })
    .map(({ low, span, step }) => ({
      type: 'integer' as const,
      minimum: low,
      maximum: low + span,
      multipleOf: step,
    })),
  fc
    .record({
      low: fc.integer({ min: -100, max: 100 }),
      span: fc.double({ min: 0.001, max: 5, noNaN: true }),
    })
    .map(({ low, span }) => ({
      type: 'number' as const,
      exclusiveMinimum: low,
      exclusiveMaximum: low + span,
    })),
  fc
    .record({ min: fc.nat(40), more: fc.nat(10) })
    .map(({ min, more }) => ({ type: 'string' as const, minLength: min, maxLength: min + more })),
  fc
    .constantFrom('email', 'uuid', 'date-time', 'date', 'ipv4', 'ipv6', 'uri')
    .map((format) => ({ type: 'string' as const, format })),
  fc
    .constantFrom(
      '^[A-Z]{3}-\\d{2,4}$',
      '^(foo|bar)+$',
      '^\\w+@\\w+\\.(com|org)$',
      '^#[0-9a-f]{6}$',
      '^[^\\s,]{2,}$',
    )
    .map((pattern) => ({ type: 'string' as const, pattern })),
  fc
    .uniqueArray(fc.oneof(fc.string(), fc.integer()), { minLength: 1, maxLength: 5 })
    .map((values) => ({ enum: values })),
  fc.oneof(fc.string(), fc.integer(), fc.boolean()).map((value) => ({ const: value })),
);

const schemas = fc.letrec<{ any: z.core.JSONSchema.JSONSchema }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    fc.record({ items: tie('any'), min: fc.nat(3), more: fc.nat(3) }).map(({ items, min, more }) => ({
      type: 'array' as const,
      items,
      minItems: min,
      maxItems: min + more,
    })),
    fc
      .record({
        properties: fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), tie('any'), {
          maxKeys: 4,
          noNullPrototype: true,
        }),
        closed: fc.boolean(),
        some: fc.boolean(),
      })
      .map(({ properties, closed, some }) => ({
        type: 'object' as const,
        properties,
        required: Object.keys(properties).filter((_, index) => !some || index % 2 === 0),
        ...(closed ? { additionalProperties: false } : {}),
      })),
    fc.array(tie('any'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
  ),
})).any;

describe('an instance of a schema', () => {
  test('fits it in the eyes of another validator', () => {
    fc.assert(
      fc.property(schemas, fc.string(), (schema, seed) => {
        const value = make(schema, seed, ['Paris', 'Über']);
        if (!zodAccepts(schema, value)) throw new Error(`${JSON.stringify(value)} does not fit`);
      }),
      { numRuns: runs(300) },
    );
  });

  test('is the same for the same seed', () => {
    fc.assert(
      fc.property(schemas, fc.string(), (schema, seed) => {
        expect(make(schema, seed)).toEqual(make(schema, seed));
      }),
      { numRuns: runs(50) },
    );
  });

  test('has everything that a strict schema asks for, in its order', () => {
    const value = make({
      type: 'object',
      properties: { b: { type: 'string' }, a: { $ref: '#/$defs/score' }, c: { type: ['string', 'null'] } },
      required: ['a', 'b', 'c'],
      additionalProperties: false,
      $defs: { score: { type: 'integer', minimum: 7, maximum: 7 } },
    });
    expect(Object.keys(Object(value))).toEqual(['b', 'a', 'c']);
    expect(value).toMatchObject({ a: 7 });
  });

  test.each([
    [
      'a linked list',
      {
        $ref: '#/$defs/node',
        $defs: {
          node: {
            type: 'object',
            properties: {
              value: { type: 'integer' },
              next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] },
            },
            required: ['value', 'next'],
            additionalProperties: false,
          },
        },
      },
    ],
    [
      'a tree',
      {
        type: 'object',
        properties: { name: { type: 'string' }, children: { type: 'array', items: { $ref: '#' } } },
        required: ['name', 'children'],
      },
    ],
    [
      'a nullable branch',
      {
        type: 'object',
        properties: { next: { nullable: true, allOf: [{ $ref: '#' }] } },
        required: ['next'],
      },
    ],
  ])('ends for a recursive schema: %s', (_name, schema) => {
    expect(JSON.stringify(make(schema)).length).toBeGreaterThan(2);
  });

  test.each([
    [
      'allOf',
      {
        allOf: [
          { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] },
          { properties: { a: { minimum: 50, maximum: 50 }, b: { const: 'x' } }, required: ['b'] },
        ],
      },
      { a: 50, b: 'x' },
    ],
    [
      'oneOf',
      {
        oneOf: [
          { type: 'integer', enum: [6, 15] },
          { type: 'integer', enum: [15, 6, 9] },
        ],
      },
      9,
    ],
    ['not', { enum: ['a', 'b'], not: { const: 'a' } }, 'b'],
    [
      'then',
      JSON.parse(
        '{"type":"object","properties":{"kind":{"const":"x"}},"required":["kind"],"if":{"properties":{"kind":{"const":"x"}}},"then":{"properties":{"size":{"const":3}},"required":["size"]}}',
      ),
      { kind: 'x', size: 3 },
    ],
    [
      'a tuple',
      { type: 'array', prefixItems: [{ const: 1 }, { const: 'b' }], items: false, minItems: 2 },
      [1, 'b'],
    ],
    ['unique items', { type: 'array', items: { enum: [1] }, uniqueItems: true, minItems: 1 }, [1]],
    [
      'contains',
      { type: 'array', items: { type: 'integer' }, contains: { const: 7 }, minItems: 1, maxItems: 1 },
      [7],
    ],
    [
      'dependents',
      {
        type: 'object',
        properties: { a: { const: 1 }, b: { const: 2 } },
        required: ['a'],
        dependentRequired: { a: ['b'] },
      },
      { a: 1, b: 2 },
    ],
    [
      'old exclusive bounds',
      { type: 'integer', minimum: 1, exclusiveMinimum: true, maximum: 3, exclusiveMaximum: true },
      2,
    ],
    ['steps without binary noise', { type: 'number', minimum: 0.3, maximum: 0.3, multipleOf: 0.1 }, 0.3],
    [
      'names that objects inherit',
      JSON.parse(
        '{"type":"object","properties":{"__proto__":{"const":1}},"required":["__proto__","toString"],"additionalProperties":{"const":2}}',
      ),
      JSON.parse('{"__proto__":1,"toString":2}'),
    ],
  ])('meets %s', (_name, schema, expected) => {
    expect(JSON.stringify(make(schema))).toBe(JSON.stringify(expected));
  });

  test('uses the words it is given', () => {
    expect(make({ type: 'string' }, 's', ['Paris'])).toBe('Paris');
  });

  test.each([
    ['false', false],
    ['not a schema', 'text'],
    ['types that exclude each other', { allOf: [{ type: 'string' }, { type: 'integer' }] }],
    ['bounds that exclude each other', { type: 'integer', minimum: 3, maximum: 2 }],
    ['a reference to itself', { $ref: '#' }],
    ['a reference to elsewhere', { $ref: 'other.json' }],
    ['a reference to nothing', { $ref: '#/$defs/none' }],
    ['recursion without end', { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] }],
    ['more than the budget', { type: 'array', minItems: 10_000_000 }],
    ['a string beyond measure', { type: 'string', minLength: 1_000_000_000 }],
    ['a pattern that cannot be generated', { type: 'string', pattern: '^(?=a)b' }],
    ['a pattern and a length at odds', { type: 'string', pattern: '^a{3}$', maxLength: 2 }],
  ])('is refused for %s', (_name, schema) => {
    expect(() => make(schema)).toThrow(SchemaError);
  });

  test('is refused in bounded work for schemas that grow without end', () => {
    let schema: unknown = { type: 'string' };
    for (let i = 0; i < 40; i++) schema = { allOf: [schema, schema] };
    expect(() => make(schema)).toThrow('the schema asks for too much');
  });
});
