import { describe, expect, test } from 'bun:test';
import { BACKENDS } from '../../test/support/database-servers.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { SecretBox } from '../platform/secret-box.ts';
import { openControlDatabase } from '../storage/sql/control-database.ts';
import type { Actor } from './actor.ts';
import { IdempotentResponses } from './idempotency.ts';

const DAY_MS = 86_400_000;
const ACTOR: Actor = { id: 'key:a', name: 'a', platform: true, roles: new Map(), member: undefined };

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`responses of idempotency keys (${backend.name})`, () => {
    test('are deleted after a day, however many there are, with the secrets that they hold', async () => {
      const server = await backend.start();
      const clock = new FakeClock();
      const { db, close } = await openControlDatabase(server.connect());
      const responses = new IdempotentResponses(db, new SecretBox('secret', 'answers'), clock);
      const once = (key: string) => responses.once(ACTOR, key, {}, async () => ({ key: 'wr-secret' }));
      for (let index = 0; index < 1_200; index += 1) await once(`old-${index}`);
      clock.advance(DAY_MS - 1);
      await once('new');
      await responses.deleteExpired();
      expect(await db.selectFrom('idempotent_answers').select('key').execute()).toHaveLength(1_201);
      clock.advance(1);
      await responses.deleteExpired();
      expect(await db.selectFrom('idempotent_answers').select('key').execute()).toEqual([{ key: 'new' }]);
      expect(await once('new')).toMatchObject({ replayed: true });
      await close();
      await server.dispose();
    }, 60_000);
  });
}
