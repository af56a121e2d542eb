import { describe, expect, test } from 'bun:test';
import { BACKENDS, type TestBackend } from '../../test/support/database-servers.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { GatewayError } from '../core/errors.ts';
import { openControlDatabase } from '../storage/sql/control-database.ts';
import { SignInAttempts } from './sign-in-attempts.ts';

/** Two gateways with one database. */
async function gateways(backend: TestBackend) {
  const server = await backend.start();
  const clock = new FakeClock();
  const { db, close } = await openControlDatabase(server.connect());
  return {
    clock,
    db,
    one: new SignInAttempts(db, clock),
    two: new SignInAttempts(db, clock),
    close: async () => {
      await close();
      await server.dispose();
    },
  };
}

const outcome = (begun: Promise<unknown>) =>
  begun.then(
    () => 'checked',
    (error: unknown) => {
      if (error instanceof GatewayError && error.status === 429) return 'refused';
      throw error;
    },
  );

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`attempts to sign in (${backend.name})`, () => {
    test('are counted before the password is checked, across gateways', async () => {
      const { one, two, close } = await gateways(backend);
      const guesses = Array.from({ length: 400 }, (_, index) =>
        outcome((index % 2 === 0 ? one : two).begin('jo@example.com', `192.0.2.${index % 8}`)),
      );
      const outcomes = await Promise.all(guesses);
      expect(outcomes.filter((one) => one === 'checked')).toHaveLength(10);
      await close();
    });

    test('from one address are counted for all accounts, and do not lock accounts once it is refused', async () => {
      const { one, two, close } = await gateways(backend);
      for (let index = 0; index < 100; index += 1) await one.begin(`user${index}@example.com`, 'guesser');
      for (let index = 0; index < 20; index += 1) {
        expect(await outcome(one.begin('jo@example.com', 'guesser'))).toBe('refused');
      }
      expect(await outcome(two.begin('jo@example.com', 'home'))).toBe('checked');
      await close();
    });

    test('that succeed are taken back, and failures expire after 15 minutes', async () => {
      const { one, clock, close } = await gateways(backend);
      for (let index = 0; index < 50; index += 1) await (await one.begin('jo@example.com', 'a')).succeeded();
      for (let index = 0; index < 10; index += 1) await one.begin('jo@example.com', 'a');
      const refused = await one.begin('jo@example.com', 'a').catch((error: unknown) => error);
      expect(refused).toMatchObject({ status: 429, details: { retryAfterSeconds: 900 } });
      clock.advance(15 * 60_000);
      expect(await outcome(one.begin('jo@example.com', 'a'))).toBe('checked');
      await close();
    });

    test('at an identity provider are used once, by one gateway', async () => {
      const { one, two, clock, close } = await gateways(backend);
      const used = await Promise.all(
        [one, two, one, two].map((gateway) => gateway.useOnce('state', clock.wallTime() + 1_000)),
      );
      expect(used.filter(Boolean)).toHaveLength(1);
      expect(await two.useOnce('another', clock.wallTime() + 1_000)).toBe(true);
      await close();
    });

    test('are deleted when they no longer count', async () => {
      const { one, db, clock, close } = await gateways(backend);
      for (let index = 0; index < 1_500; index += 1)
        await one.useOnce(`state ${index}`, clock.wallTime() + 10);
      await one.useOnce('later', clock.wallTime() + 60_000);
      clock.advance(1_000);
      await one.deleteExpired();
      expect(await db.selectFrom('sign_in_attempts').select('count').execute()).toHaveLength(1);
      await close();
    });
  });
}
