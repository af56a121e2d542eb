import { describe, expect, test } from 'bun:test';
import type { VendorProfile } from '../types.ts';
import { ENGINES, VENDORS } from './vendors.ts';

const all: [string, VendorProfile][] = [...Object.entries(VENDORS), ...Object.entries(ENGINES)];

describe('vendors and engines', () => {
  test.each(all)('%s has an address that can be called', (_, { baseUrl, needsKey }) => {
    const url = new URL(baseUrl ?? '');
    expect(url.protocol).toBe(needsKey ? 'https:' : 'http:');
    expect(baseUrl).not.toEndWith('/');
  });

  test('no two claim the same names, variables or ports', () => {
    const ports = all.flatMap(([, { localEngine }]) => (localEngine ? [localEngine.port] : []));
    const variables = all.flatMap(([, { environment }]) => (environment ? Object.values(environment) : []));
    expect(new Set(ports).size).toBe(ports.length);
    expect(new Set(variables).size).toBe(variables.length);
  });

  test.each([
    ['gpt-4o-mini', 'openai'],
    ['o3-mini', 'openai'],
    ['ft:gpt-4o:acme', 'openai'],
    ['mistral-small-latest', 'mistral'],
    ['open-mixtral-8x7b', 'mistral'],
    ['codestral-2501', 'mistral'],
    ['deepseek-chat', 'deepseek'],
    ['grok-4', 'xai'],
    ['Qwen/Qwen2.5-7B-Instruct', undefined],
    ['opus', undefined],
  ])('the name %s is of %s', (name, vendor) => {
    const owners = all.filter(([, { modelPattern }]) => modelPattern?.test(name)).map(([id]) => id);
    expect(owners).toEqual(vendor === undefined ? [] : [vendor]);
  });
});
