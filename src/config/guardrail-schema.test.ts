import { describe, expect, test } from 'bun:test';
import { faultsOf, loadText } from '../../test/support/config-source.ts';

const rules = (settings: string) =>
  `guardrails:\n  - id: own\n    kind: rules\n    action: block\n    rules:\n      ${settings}\n`;

describe('patterns', () => {
  test('that RE2 cannot use are faults with line, key and reason', () => {
    const list = [
      '{ name: ok, pattern: "PRJ-\\\\d{4}" }',
      '{ name: open, pattern: "(a" }',
      '{ name: ahead, pattern: "(?=a)b" }',
      '{ name: back, pattern: "(a)\\\\1" }',
      '{ name: empty, pattern: "a*" }',
      '{ name: large, pattern: "((a{1,100}){1,100}){1,100}" }',
    ];
    const faults = faultsOf(rules(`patterns:\n${list.map((one) => `        - ${one}`).join('\n')}`));
    expect(faults.map((fault) => fault.replace(/: .*/, ''))).toEqual(
      [1, 2, 3, 4, 5].map((index) => `${expectedLine(index)} guardrails[0].rules.patterns[${index}].pattern`),
    );
    expect(faults[0]).toContain('missing closing');
    expect(faults[3]).toContain('matches the empty text');
  });
});

function expectedLine(index: number): string {
  const names = ['ok', 'open', 'ahead', 'back', 'empty', 'large'];
  return `${7 + index}:${'        - { name: , pattern: '.length + (names[index]?.length ?? 0) + 1}`;
}

describe('a schema of responses', () => {
  test.each([
    ['{ type: strng }', 'strng'],
    ['{ type: object, properties: [a] }', ''],
    ['{ type: array, items: { type: 7 } }', ''],
    ['[a]', 'expected a map'],
    ['{ type: string, pattern: "(a+)+" }', 'must not contain "pattern"'],
    ['{ $ref: "#/x" }', 'must not contain "$ref"'],
  ])('that cannot be checked is a fault: %s', (schema, reason) => {
    const [fault] = faultsOf(rules(`response_schema: ${schema}`));
    expect(fault).toStartWith('6:24 guardrails[0].rules.response_schema');
    expect(fault).toContain(reason);
  });

  test('that is valid is accepted', () => {
    const schema =
      '{ type: object, required: [a], properties: { a: { type: [string, "null"], enum: [x, null] }, b: { anyOf: [{ type: number }, { const: 1 }] } }, additionalProperties: false }';
    expect(loadText(rules(`response_schema: ${schema}`)).config.guardrails).toHaveLength(1);
  });
});

test('unknown kinds, categories of rules and plugins are faults with what is possible', () => {
  const text = [
    'guardrails:',
    '  - { id: a, kind: lakara, action: block, server: { api_key: x } }',
    '  - { id: b, kind: plugin, plugin: nowhere, action: block }',
    '  - { id: c, kind: rules, action: block, rules: { wrods: [x] } }',
    '  - { id: d, kind: rules, action: block, rules: { sets: [sqll] } }',
    '  - { id: e, kind: lakera, action: block, server: { url: "ftp://x", api_key: x } }',
  ].join('\n');
  const faults = faultsOf(text);
  expect(faults[0]).toMatch(
    /^2:20 guardrails\[0\]\.kind: unknown value "lakara"; allowed: .*did you mean "lakera"/,
  );
  expect(faults[1]).toMatch(/^3:36 guardrails\[1\]\.plugin: unknown plugin "nowhere"/);
  expect(faults[2]).toMatch(
    /^4:51 guardrails\[2\]\.rules\.wrods: unknown key "wrods" \(did you mean "words"/,
  );
  expect(faults[3]).toMatch(/^5:58 guardrails\[3\]\.rules\.sets\[0\]: unknown value "sqll"/);
  expect(faults[4]).toMatch(/^6:58 guardrails\[4\]\.server\.url: /);
});
