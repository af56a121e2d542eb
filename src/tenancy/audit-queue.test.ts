import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { BACKENDS } from '../../test/support/database-servers.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { verifyTrail } from '../storage/sql/audit-verification.ts';
import { type ControlDatabase, openControlDatabase } from '../storage/sql/control-database.ts';
import { TenantDatabases, UnknownTenantError } from '../storage/sql/tenant-databases.ts';
import type { AuditEntry } from '../storage/sql/tenant-tables.ts';
import { AuditQueue, type AuditQueueOptions } from './audit-queue.ts';

const ACTOR = { id: 'key:1', name: 'k', platform: true, roles: new Map(), member: undefined };
const BY = { actor: ACTOR, address: '192.0.2.1', requestId: 'req_1' };

for (const backend of BACKENDS) {
  if (!backend.available) continue;

  describe(`the queue of audit entries on ${backend.name}`, () => {
    let server: Awaited<ReturnType<typeof backend.start>>;
    let control: ControlDatabase;
    let databases: TenantDatabases;
    let lost: [number, string][];
    let queue: AuditQueue;
    /** What `databases.use` rejects with. */
    let outage: Error | undefined;
    let ids = 0;

    beforeEach(async () => {
      server = await backend.start();
      control = await openControlDatabase(server.connect());
      const placements = new Map([['acme', { server: '', database: server.freshName() }]]);
      databases = new TenantDatabases({
        servers: new Map([['', server.connect()]]),
        placementOf: ({ tenant }) => placements.get(tenant),
        maxConnections: 4,
      });
      await databases.create(placements.get('acme') ?? { server: '', database: '' });
      lost = [];
      outage = undefined;
      queue = create();
    });
    afterEach(async () => {
      await queue.close();
      await databases.close();
      await control.close();
      await server.dispose();
    });

    const create = (more: Partial<AuditQueueOptions> = {}) =>
      new AuditQueue({
        control: control.db,
        databases: {
          use: (scope, work) => (outage ? Promise.reject(outage) : databases.use(scope, work)),
        },
        sources: { clock: new FakeClock(), newId: (prefix) => `${prefix}_${++ids}` },
        onLost: (...loss) => lost.push(loss),
        ...more,
      });
    const entry = (id: string): AuditEntry => ({
      ...{ id, at: 1, actor: 'key:1', actor_name: 'k', action: 'inference.request', subject: 'model:m' },
      ...{ details: '{}', address: '', request_id: id },
    });
    const report = () => databases.use({ tenant: 'acme' }, (db) => verifyTrail(db));
    const entries = () =>
      databases.use({ tenant: 'acme' }, (db) =>
        db.selectFrom('audit_log').selectAll().orderBy('sequence').execute(),
      );

    test('appends batches to the chain, in order, with other writers', async () => {
      for (let index = 0; index < 350; index += 1) queue.add('acme', () => entry(`e${index}`));
      const [first] = await Promise.all([queue.flush(), queue.record('acme', BY, 'key.read', 'key:1')]);
      expect(first).toBeUndefined();
      const rows = await entries();
      expect(rows.map(({ id }) => id).slice(0, 3)).toEqual(['e0', 'e1', 'e2']);
      expect(rows.at(-1)).toMatchObject({
        action: 'key.read',
        actor: 'key:1',
        address: '192.0.2.1',
        sequence: 351,
      });
      expect(await report()).toMatchObject({ entries: 351, faults: [] });
      expect([queue.waiting, lost]).toEqual([0, []]);
    });

    test('keeps the trail of the platform apart', async () => {
      await queue.record(undefined, BY, 'engine.load', 'engine:e', { a: 1 });
      const rows = await control.db.selectFrom('audit_log').selectAll().execute();
      expect(rows).toMatchObject([{ action: 'engine.load', details: '{"a":1}', sequence: 1 }]);
      expect(await entries()).toEqual([]);
    });

    test('makes entries when they are written', async () => {
      let details = 'early';
      queue.add('acme', () => ({ ...entry('late'), details: JSON.stringify({ details }) }));
      details = 'late';
      await queue.flush();
      expect((await entries())[0]?.details).toBe('{"details":"late"}');
    });

    test('waits for a database that is away, records nothing twice, and stops nobody', async () => {
      outage = new Error('the database is away');
      queue.add('acme', () => entry('one'));
      await queue.record('acme', BY, 'key.read', 'key:1');
      await queue.record(undefined, BY, 'engine.load', 'engine:e');
      await expect(queue.flush()).rejects.toThrow('away');
      expect(queue.waiting).toBe(2);
      outage = undefined;
      await queue.flush();
      expect((await entries()).map(({ action }) => action)).toEqual(['inference.request', 'key.read']);
      expect([queue.waiting, queue.lost]).toEqual([0, 0]);
    });

    test('is bounded, and counts what it loses', async () => {
      const small = create({ maxWaiting: 3 });
      outage = new Error('the database is away');
      for (let index = 0; index < 5; index += 1) small.add('acme', () => entry(`e${index}`));
      expect([small.waiting, small.lost, lost]).toEqual([
        3,
        2,
        [
          [1, 'queue_full'],
          [1, 'queue_full'],
        ],
      ]);
      outage = new UnknownTenantError('gone');
      await small.flush();
      expect([small.waiting, small.lost]).toEqual([0, 5]);
      outage = new Error('still away');
      small.add('acme', () => entry('last'));
      await small.close();
      expect([small.lost, lost.at(-1)]).toEqual([6, [1, 'write_failed']]);
    });
  });
}
