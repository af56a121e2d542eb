import { expect, test } from 'bun:test';
import { guardrailDocuments } from './guardrail-documents.ts';

test('patterns and schemas of tenants and keys are checked when they are stored', () => {
  const pathOf = (rules: Readonly<Record<string, unknown>>) => {
    const { error } = guardrailDocuments.safeParse([{ id: 'own', kind: 'rules', action: 'block', rules }]);
    return error?.issues[0]?.path.join('.');
  };
  expect(pathOf({ patterns: [{ name: 'p', pattern: 'PRJ-\\d{4}' }] })).toBeUndefined();
  expect(pathOf({ patterns: [{ name: 'p', pattern: '(a' }] })).toBe('0.rules.patterns.0.pattern');
  expect(pathOf({ response_schema: { type: 'strng' } })).toBe('0.rules.response_schema');
});
