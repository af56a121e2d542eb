import { expect, test } from 'bun:test';
import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { validate } from './validation.ts';

const schema = z.strictObject({
  model: z.string().min(1),
  messages: z
    .array(z.object({ role: z.enum(['user', 'assistant']) }))
    .max(3)
    .optional(),
  n: z.number().int().min(1).max(10).optional(),
  stop: z.union([z.string(), z.array(z.string())]).optional(),
  format: z.union([z.string(), z.object({ type: z.literal('json'), name: z.string() })]).optional(),
  limits: z
    .record(z.string(), z.array(z.strictObject({ max: z.number(), of: z.string().default('requests') })))
    .nullish(),
});

const faultOf = (value: unknown) => {
  try {
    validate(schema, value);
    return undefined;
  } catch (error) {
    if (error instanceof GatewayError) return [error.code, error.param, error.message];
    throw error;
  }
};

test('gives back what is valid', () => {
  expect(validate(schema, { model: 'm' })).toEqual({ model: 'm' });
});

test.each([
  [{}, 'model', '"model" is missing; it must be a string.'],
  [{ model: 1 }, 'model', '"model" must be a string, not 1.'],
  [{ model: null }, 'model', '"model" must be a string, not null.'],
  [{ model: '' }, 'model', '"model" must not be empty.'],
  [{ model: 'm', messages: {} }, 'messages', '"messages" must be a list, not an object.'],
  [
    { model: 'm', messages: [{ role: 'user' }, { role: 'usr' }] },
    'messages[1].role',
    '"messages[1].role" must be one of "user", "assistant", not "usr".',
  ],
  [
    { model: 'm', messages: Array.from({ length: 4 }, () => ({ role: 'user' })) },
    'messages',
    '"messages" must have at most 3 entries.',
  ],
  [{ model: 'm', n: 0 }, 'n', '"n" must be at least 1.'],
  [{ model: 'm', n: 1.5 }, 'n', '"n" must be an integer, not 1.5.'],
  [{ model: 'm', stop: 7 }, 'stop', '"stop" must be a string or a list, not 7.'],
  [{ model: 'm', stop: ['a', 7] }, 'stop[1]', '"stop[1]" must be a string, not 7.'],
  [{ model: 'm', format: { type: 'json' } }, 'format.name', '"format.name" is missing; it must be a string.'],
  [
    { model: 'm', modle: 1 },
    null,
    'The request has an unknown member: "modle". Allowed: "model", "messages", "n", "stop", "format", "limits".',
  ],
  [
    { model: 'm', limits: { day: [{ max: 1, most: 2 }] } },
    'limits.day[0]',
    '"limits.day[0]" has an unknown member: "most". Allowed: "max", "of".',
  ],
  [null, null, 'The request must be an object, not null.'],
])('%j: the message names the field, the fault and what is allowed', (value, param, message) => {
  expect(faultOf(value)).toEqual(['invalid_request', param, message]);
});

test('names other fields, a few of them', () => {
  expect(faultOf({ model: 1, n: 'x', stop: 3 })?.[2]).toBe(
    '"model" must be a string, not 1. Also not valid: "n", "stop".',
  );
  const many = Array.from({ length: 3 }, () => ({}));
  expect(faultOf({ messages: many, n: 'x', stop: 1 })?.[2]).toEndWith(
    'Also not valid: "messages[0].role", "messages[1].role", "messages[2].role" and 2 more.',
  );
});

test('does not repeat long values', () => {
  const message = String(faultOf({ model: ['x'.repeat(1_000)], n: 'y'.repeat(1_000) })?.[2]);
  expect(message.length).toBeLessThan(200);
  expect(String(faultOf({ model: 'm', ['k'.repeat(5_000)]: 1 })?.[2]).length).toBeLessThan(250);
});
