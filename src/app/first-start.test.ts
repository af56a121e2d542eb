import { describe, expect, spyOn, test } from 'bun:test';
import { BACKENDS } from '../../test/support/database-servers.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { RecordedEvents } from '../../test/support/recorded-events.ts';
import { Outbox } from '../events/outbox.ts';
import { AccessFeed } from '../storage/sql/access-feed.ts';
import { openControlDatabase } from '../storage/sql/control-database.ts';
import { TENANT_SCHEMA_ID } from '../storage/sql/schemas.ts';
import { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import { AccessList } from '../tenancy/access-list.ts';
import { tenantDocument } from '../tenancy/documents.ts';
import { SecretDigester } from '../tenancy/key-secrets.ts';
import { Tenants } from '../tenancy/tenants.ts';
import { migrateTenants, SYSTEM_ACTOR } from './first-start.ts';

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`tenants' databases at the start, on ${backend.name}`, () => {
    const create = async (ids: readonly string[]) => {
      const testServer = await backend.start();
      const server = testServer.connect();
      const { db: control, close } = await openControlDatabase(server);
      const access = new AccessList({
        source: new AccessFeed(control),
        digester: new SecretDigester('secret'),
        now: () => 0,
        tiers: () => new Map(),
        events: new RecordedEvents(),
      });
      const databases = new TenantDatabases({
        servers: new Map([['', server]]),
        placementOf: ({ tenant }) => access.tenant(tenant)?.placement,
        maxConnections: 4,
      });
      let count = 0;
      const newId = () => `${testServer.freshName()}${++count}`.slice(-17);
      const sources = { clock: new FakeClock(), newId };
      const outbox = new Outbox(control, sources, () => undefined);
      const tenants = new Tenants(control, databases, sources, outbox, () => access.refreshNow());
      const document = tenantDocument.parse({});
      for (const id of ids) await tenants.create({ id, name: id, tier: null, document }, SYSTEM_ACTOR);
      const placementOf = (id: string) => {
        const placement = access.tenant(id)?.placement;
        if (!placement) throw new Error('no such tenant');
        return placement;
      };
      const open = spyOn(server, 'open');
      return {
        ...{ access, control, databases, server, placementOf },
        /** Starts again, and returns the names of the databases that this opens. */
        start: async (region: string | null = null) => {
          await access.refreshNow();
          open.mockClear();
          const failure = await migrateTenants({ access, control, databases }, region);
          return { failure, opened: open.mock.calls.map(([name]) => name) };
        },
        close: async () => {
          for (const id of ids) await databases.drop(placementOf(id));
          await close();
          await testServer.dispose();
        },
      };
    };

    test('are not opened when they have all migrations', async () => {
      const { start, close } = await create(['a', 'b', 'c']);
      expect(await start()).toEqual({ failure: undefined, opened: [] });
      await close();
    });

    test('are left alone where they are of another region', async () => {
      const { control, start, placementOf, close } = await create(['a', 'b']);
      const value = 99;
      const old = { schema: '1 old', revision: value };
      const document = JSON.stringify({ residency: { region: 'us' } });
      await control.updateTable('tenants').set(old).execute();
      await control.updateTable('tenants').set({ document }).where('id', '=', 'b').execute();
      await control.updateTable('revision').set({ value }).execute();
      const { opened } = await start('eu');
      expect(opened).toEqual([placementOf('a').database]);
      await close();
    });

    test('are migrated when another version of Weir migrated them last, and once', async () => {
      const { access, control, start, placementOf, close } = await create(['a', 'b', 'c']);
      const value = 99;
      await control
        .updateTable('tenants')
        .set({ schema: '1 old', revision: value })
        .where('id', '=', 'b')
        .execute();
      await control.updateTable('revision').set({ value }).execute();
      const { database } = placementOf('b');
      expect(await start()).toEqual({ failure: undefined, opened: [database] });
      const { schema } = await control
        .selectFrom('tenants')
        .select('schema')
        .where('id', '=', 'b')
        .executeTakeFirstOrThrow();
      expect(schema).toBe(TENANT_SCHEMA_ID);
      expect(access.tenant('b')?.schema).toBe('1 old');
      await close();
    });

    test('are named when they are missing', async () => {
      const { server, start, placementOf, close } = await create(['a', 'b']);
      await server.drop(placementOf('b').database);
      const { failure, opened } = await start();
      expect(failure?.message).toContain('The databases of 1 tenants are missing');
      expect(failure?.message).toContain(`  b: the database ${placementOf('b').database} does not exist`);
      expect(opened).toEqual([]);
      await close();
    });
  });
}
