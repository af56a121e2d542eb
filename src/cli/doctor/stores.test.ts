import { expect, test } from 'bun:test';
import { evictionFinding } from './stores.ts';

const infoOf = (maxmemory: number, policy: string) =>
  `# Memory\r\nused_memory:1\r\nmaxmemory:${maxmemory}\r\nmaxmemory_policy:${policy}\r\n`;

test.each([
  ['ok', 0, 'noeviction'],
  ['ok', 0, 'allkeys-lru'],
  ['ok', 1_000, 'volatile-lru'],
  ['ok', 1_000, 'volatile-ttl'],
  ['warning', 1_000, 'allkeys-lru'],
  ['warning', 1_000, 'allkeys-random'],
  ['warning', 1_000, 'noeviction'],
] as const)('%s: a Redis with %d bytes and the policy %s', (level, maxmemory, policy) => {
  expect(evictionFinding(infoOf(maxmemory, policy))).toMatchObject({ check: 'redis', level });
});

test('a Redis that does not tell its policy is reachable', () => {
  expect(evictionFinding('')).toMatchObject({ level: 'ok' });
});
