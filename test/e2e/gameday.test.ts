import { describe, expect, test } from 'bun:test';
import { SCENARIOS } from '../gameday/scenarios.ts';
import { FULL } from '../support/effort.ts';
import { canStopPostgres } from '../support/services/postgres.ts';
import { canStopRedis } from '../support/services/redis.ts';

// `npm run gameday` prints the same. Each starts an installation of its own, so they are part of `npm run test:full`.
describe.skipIf(!FULL || !canStopPostgres || !canStopRedis)('the loss of', () => {
  test.each(SCENARIOS)(
    '$lost is recovered within its targets',
    async (scenario) => {
      expect(await scenario.run()).toMatchObject({ passed: true });
    },
    180_000,
  );
});
