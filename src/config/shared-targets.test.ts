import { describe, expect, test } from 'bun:test';
import { loadText } from '../../test/support/config-source.ts';
import { sharedLimit } from './shared-targets.ts';

const text = (...limits: readonly (string | number | null)[]) => `providers:
  - { id: up, kind: openai, discover: false }
models:
${limits.map((limit, at) => `  - { id: m${at}, targets: [{ provider: up, model: x, max_concurrency: ${limit} }] }`).join('\n')}
`;

describe('models that share a provider and upstream model', () => {
  test.each([
    [[2, null], 'weir.yaml:4:68  models[0].targets[0].max_concurrency: 2 holds'],
    [[8, 2, 4], 'weir.yaml:5:68  models[1].targets[0].max_concurrency: 2 holds'],
    [[null, 'adaptive'], 'weir.yaml:5:68  models[1].targets[0].max_concurrency: adaptive holds'],
  ])('with the limits %j cause a warning that names them', (limits, start) => {
    const { warnings } = loadText(text(...limits));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toStartWith(`${start} for "up/x" in all models that use it, together: "m0", "m1"`);
  });

  test.each([[[2, 2]], [[null, null]], [[2]]])('with the limits %j cause none', (limits) => {
    expect(loadText(text(...limits)).warnings).toEqual([]);
  });
});

test('the smallest number holds, before adaptive', () => {
  expect(sharedLimit([null, 'adaptive', 8, 2])).toBe(2);
  expect(sharedLimit([null, 'adaptive'])).toBe('adaptive');
  expect(sharedLimit([null])).toBeNull();
});
