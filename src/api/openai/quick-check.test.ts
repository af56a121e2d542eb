import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../../test/support/effort.ts';
import { isPlainChat } from './quick-check.ts';
import { chatRequest } from './schemas.ts';

const known = new Set(Object.keys(chatRequest.shape));
const odd = fc.oneof(fc.jsonValue(), fc.constantFrom('', 0, -1, 1.5, null, [], {}, [null], [{}]));
const content = fc.oneof(
  fc.string(),
  fc.array(fc.oneof(fc.record({ type: fc.string() }), odd), { maxLength: 3 }),
  odd,
);
const message = fc.oneof(fc.record({ role: fc.string(), content }, { requiredKeys: [] }), odd);
const body = fc.record(
  {
    model: fc.oneof(fc.string(), odd),
    messages: fc.oneof(fc.array(message, { maxLength: 3 }), odd),
    stream: fc.oneof(fc.boolean(), odd),
    stream_options: fc.oneof(fc.record({ include_usage: fc.boolean() }), odd),
    temperature: fc.oneof(fc.double({ noNaN: true }), odd),
    max_tokens: fc.oneof(fc.integer(), odd),
    n: odd,
    tools: odd,
    unknown_field: odd,
  },
  { requiredKeys: [] },
);

test('whatever is taken for plain is accepted by the schema', () => {
  fc.assert(
    fc.property(body, (value) => {
      if (isPlainChat(value, known)) expect(chatRequest.safeParse(value).success).toBe(true);
    }),
    { numRuns: runs(3000) },
  );
});

test('ordinary requests are plain', () => {
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: [{ type: 'text', text: 'Hello' }] },
    { role: 'assistant', content: null, tool_calls: [] },
  ];
  expect(isPlainChat({ model: 'm', messages, temperature: 0.2, max_tokens: 5, stream: true }, known)).toBe(
    true,
  );
  expect(
    isPlainChat({ model: 'm', messages, stream_options: { include_usage: true }, metadata: 1 }, known),
  ).toBe(true);
});

test('what needs a closer look is left to the schema', () => {
  expect(isPlainChat({ model: 'm' }, known)).toBe(false);
  expect(isPlainChat({ model: 'm', messages: [] }, known)).toBe(false);
  expect(isPlainChat({ model: 'm', messages: [{ role: 'user', content: 'x' }], tools: [] }, known)).toBe(
    false,
  );
});
