import { describe, expect, test } from 'bun:test';
import { CONFIG_CATALOG } from '../app/config-catalog.ts';
import { ConfigError } from './errors.ts';
import { secretIssues } from './secret-variables.ts';
import { configWithoutFile } from './without-file.ts';

const messageOf = (env: Record<string, string>) => {
  try {
    configWithoutFile({ env, cwd: '/', catalog: CONFIG_CATALOG });
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
};

describe('secrets of the environment', () => {
  test.each([
    ['WEIR_ADMIN_KEY', 'a', 'has 1 characters'],
    ['WEIR_ADMIN_KEY', 'fifteen-letters', 'use at least 16'],
    ['WEIR_SECRET', 'secret', 'use at least 16'],
    ['WEIR_ADMIN_KEY', 'sixteen letters and a space', 'spaces'],
    ['WEIR_ADMIN_KEY', 'sixteen-letters-and-a-line-end\n', 'line ends'],
    ['WEIR_ADMIN_KEY', 'looks.like-a.signed-token', 'signed token'],
  ])('rejects %s=%j at the start, and does not show it', (name, value, reason) => {
    const message = messageOf({ [name]: value }) ?? '';
    expect(message).toContain(name);
    expect(message).toContain(reason);
    if (value.length > 1) expect(message).not.toContain(value);
  });

  test('accepts long ones, and none', () => {
    expect(secretIssues({ WEIR_ADMIN_KEY: 'sixteen-letters!', WEIR_SECRET: 'sixteen letters!' })).toEqual([]);
    expect(secretIssues({ WEIR_ADMIN_KEY: '' })).toEqual([]);
  });
});
