import { expect, test } from 'bun:test';
import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { validate } from './validation.ts';

const schema = z.object({ model: z.string(), messages: z.array(z.object({ role: z.string() })).optional() });
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

test('names the first field at fault and counts the others', () => {
  expect(faultOf({ model: 1 })).toEqual([
    'invalid_request',
    'model',
    expect.stringMatching(/^"model" is not valid: [^(]+$/),
  ]);
  expect(faultOf({ messages: [{ role: 'user' }, { role: 2 }, {}] })).toEqual([
    'invalid_request',
    'model',
    expect.stringContaining('(and 2 more)'),
  ]);
  expect(faultOf({ model: 'm', messages: [{ role: 'user' }, {}] })?.[1]).toBe('messages[1].role');
  expect(faultOf(null)).toEqual([
    'invalid_request',
    null,
    expect.stringContaining('The request is not valid'),
  ]);
});
