import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { BACKENDS, type TestServer } from '../../test/support/database-servers.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { type ControlDatabase, openControlDatabase } from '../storage/sql/control-database.ts';
import type { UnplacedEvent } from '../storage/sql/event-log.ts';
import { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { Actor } from './actor.ts';
import type { ChangeContext, Sources } from './change-context.ts';
import type { TenantEventSink } from './tenant-events.ts';
import { type TenantChange, TenantWriter } from './tenant-writer.ts';

const SCOPE = { tenant: 'acme' };
const actor: Actor = { id: 'user:1', name: 'U', platform: true, roles: new Map(), member: undefined };
const BY: ChangeContext = { actor, address: '', requestId: 'req_1' };
const DAY_MS = 24 * 60 * 60_000;

/** Keeps delivered events; rejects deliveries while `failing` is set. */
class RecordingSink implements TenantEventSink {
  readonly delivered: UnplacedEvent[] = [];
  readonly failures: [string, unknown][] = [];
  failing: Error | undefined;
  /** Runs before a delivery is accepted. */
  before: () => Promise<void> = async () => undefined;

  async deliver(events: readonly UnplacedEvent[]): Promise<void> {
    await this.before();
    if (this.failing) throw this.failing;
    this.delivered.push(...events);
  }

  failed(tenant: string, error: unknown): void {
    this.failures.push([tenant, error]);
  }

  get names(): string[] {
    return this.delivered.map(({ type, data }) => `${type} ${JSON.parse(data).key}`);
  }
}

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`TenantWriter on ${backend.name}`, () => {
    const clock = new FakeClock();
    let server: TestServer;
    let control: ControlDatabase;
    let databases: TenantDatabases;
    let ids = 0;
    const sources: Sources = { clock, newId: (prefix) => `${prefix}_${++ids}` };

    beforeEach(async () => {
      server = await backend.start();
      control = await openControlDatabase(server.connect());
      const placement = { server: '', database: server.freshName() };
      databases = new TenantDatabases({
        servers: new Map([['', server.connect()]]),
        placementOf: ({ tenant }) => (tenant === SCOPE.tenant ? placement : undefined),
        maxConnections: 4,
      });
      await databases.create(placement);
    });
    afterEach(async () => {
      await databases.close();
      await control.close();
      await server.dispose();
    });

    function writerTo(events: TenantEventSink | undefined): TenantWriter {
      return new TenantWriter({
        ...{ control: control.db, databases, sources, events },
        onPublished: async () => undefined,
      });
    }
    const revoke = (writer: TenantWriter, ...keys: string[]) =>
      writer.write(SCOPE, async (_transaction, change) => emitRevoked(change, ...keys));
    const emitRevoked = (change: TenantChange, ...keys: string[]) => {
      for (const key of keys) change.emit('api_key.revoked', BY, { key, name: 'n' });
    };
    const stored = () =>
      databases.read(SCOPE, (db) =>
        db.selectFrom('events').selectAll().orderBy('sequence').orderBy('position').execute(),
      );

    test('events are delivered after the commit, with who made the change, and then deleted', async () => {
      const sink = new RecordingSink();
      let seen = 0;
      sink.before = async () => {
        seen = (await stored()).length;
      };
      await revoke(writerTo(sink), 'key_1');
      expect(seen).toBe(1);
      expect(sink.delivered).toEqual([
        {
          ...{ type: 'api_key.revoked', version: 1, tenant: 'acme', subject: 'key:key_1', test: 0 },
          id: expect.stringMatching(/^evt_/),
          partition: expect.any(Number),
          created_at: clock.wallTime(),
          actor: 'user:1',
          request_id: 'req_1',
          data: JSON.stringify({ key: 'key_1', name: 'n' }),
        },
      ]);
      expect(await stored()).toEqual([]);
    });

    test('a change that fails leaves no event', async () => {
      const sink = new RecordingSink();
      const failing = writerTo(sink).write(SCOPE, async (_transaction, change) => {
        emitRevoked(change, 'key_1');
        throw new Error('not allowed');
      });
      await expect(failing).rejects.toThrow('not allowed');
      expect([sink.delivered, await stored()]).toEqual([[], []]);
    });

    test('what a crashed gateway committed is published at the next start, in order and with its ids', async () => {
      // Without a sink nothing is published after the commit, as when the process dies there.
      const crashed = writerTo(undefined);
      await revoke(crashed, 'a', 'b');
      await revoke(crashed, 'c');
      const before = await stored();
      const sink = new RecordingSink();
      await writerTo(sink).publish(SCOPE);
      expect(sink.names).toEqual(['api_key.revoked a', 'api_key.revoked b', 'api_key.revoked c']);
      expect(sink.delivered.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
      expect(await stored()).toEqual([]);
    });

    test('a delivery that fails leaves the change made, and its events for the next delivery', async () => {
      const sink = new RecordingSink();
      sink.failing = new Error('queue full');
      const writer = writerTo(sink);
      await revoke(writer, 'a');
      expect(sink.failures).toEqual([['acme', sink.failing]]);
      expect((await stored()).length).toBe(1);
      sink.failing = undefined;
      await revoke(writer, 'b');
      expect(sink.names).toEqual(['api_key.revoked a', 'api_key.revoked b']);
    });

    test('concurrent changes deliver every event once, in the order of the changes', async () => {
      const sink = new RecordingSink();
      const writer = writerTo(sink);
      const committed: string[] = [];
      await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          writer.write(SCOPE, async (_transaction, change) => {
            const key = `k${index}`;
            committed.push(`api_key.revoked ${key}`);
            emitRevoked(change, key);
          }),
        ),
      );
      await writer.idle();
      expect(sink.names).toEqual(committed);
      expect(await stored()).toEqual([]);
    });

    test('more events than one batch arrive in order', async () => {
      const crashed = writerTo(undefined);
      const keys = Array.from({ length: 1_100 }, (_, index) => `k${index}`);
      await revoke(crashed, ...keys.slice(0, 700));
      await revoke(crashed, ...keys.slice(700));
      const sink = new RecordingSink();
      await writerTo(sink).publish(SCOPE);
      expect(sink.names).toEqual(keys.map((key) => `api_key.revoked ${key}`));
      expect(await stored()).toEqual([]);
    });

    test('an event that only another version knows is kept for that one, and deleted after 30 days', async () => {
      const crashed = writerTo(undefined);
      await revoke(crashed, 'a', 'b', 'c');
      await databases.use(SCOPE, async (db) => {
        await db.updateTable('events').set({ name: 'moon.risen' }).where('position', '=', 0).execute();
        await db.updateTable('events').set({ data: '{"clef":"a"}' }).where('position', '=', 1).execute();
      });
      const sink = new RecordingSink();
      const writer = writerTo(sink);
      await writer.publish(SCOPE);
      expect(sink.names).toEqual(['api_key.revoked c']);
      expect((await stored()).map(({ position }) => position)).toEqual([0, 1]);
      await clock.advance(31 * DAY_MS);
      await writer.publish(SCOPE);
      expect(await stored()).toEqual([]);
      expect([sink.names.length, sink.failures]).toEqual([1, []]);
    });
  });
}
