import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Kysely, sql } from 'kysely';
import { BACKENDS } from '../../test/support/database-servers.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { readHead, writeAuditBatch } from '../storage/sql/audit-chain.ts';
import { openControlDatabase } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { type AuditAnchor, AuditChecks } from './audit-checks.ts';

let db: Kysely<ControlTables>;
let close: () => Promise<void>;
beforeAll(async () => {
  const [sqlite] = BACKENDS;
  if (!sqlite) throw new Error('there is no database');
  const server = await sqlite.start();
  const opened = await openControlDatabase(server.connect());
  db = opened.db;
  close = async () => {
    await opened.close();
    await server.dispose();
  };
  await db.deleteFrom('audit_log').execute();
  await db.deleteFrom('audit_head').execute();
  const entries = Array.from({ length: 1_200 }, (_, index) => ({
    ...{ id: `e${index}`, at: index, actor: 'a', actor_name: 'A', action: 'key.create' },
    ...{ subject: 'key:1', details: '{}', address: '192.0.2.1', request_id: 'r' },
  }));
  for (let from = 0; from < entries.length; from += 300) {
    await db
      .transaction()
      .execute((transaction) => writeAuditBatch(transaction, entries.slice(from, from + 300)));
  }
});
afterAll(() => close());

/** Checks whose pages wait for `step`. */
function checks(anchor?: AuditAnchor) {
  const steps: (() => void)[] = [];
  const made = new AuditChecks({
    ...{ clock: new FakeClock(), control: db, anchorOf: () => anchor },
    databases: { use: () => Promise.reject(new Error('the database is away')) },
    nextTurn: () => new Promise((resolve) => steps.push(resolve)),
  });
  const ends = async (tenant?: string) => {
    for (;;) {
      steps.shift()?.();
      const { check } = await made.state(tenant).catch(() => made.state(undefined));
      if (check?.finishedAt !== undefined) return check;
    }
  };
  return { made, steps, ends };
}

test('a trail is verified a page at a time, with its progress', async () => {
  const { made, steps, ends } = checks();
  expect((await made.state(undefined)).check).toBeUndefined();
  made.begin(undefined);
  expect((await made.state(undefined)).check).toMatchObject({ finishedAt: undefined, entries: 0 });
  while (steps.length === 0) await made.state(undefined);
  expect((await made.state(undefined)).check).toMatchObject({
    status: 'running',
    entries: 500,
    verifiedTo: 500,
  });
  // What runs is not begun again.
  made.begin(undefined);
  expect(await ends()).toMatchObject({ status: 'valid', entries: 1_200, verifiedTo: 1_200, faults: [] });
  expect((await made.state(undefined)).head).toEqual(await readHead(db));
});

test('a fault has its place, and a trail that was written again differs from what was logged', async () => {
  await sql`UPDATE audit_log SET subject = 'key:2' WHERE sequence = 700`.execute(db);
  const { made, ends } = checks({ sequence: 900, hash: '0'.repeat(64), at: 0 });
  made.begin(undefined);
  expect(await ends()).toMatchObject({
    status: 'broken',
    faults: [
      { kind: 'changed', sequence: 700 },
      { kind: 'anchor', sequence: 900 },
    ],
  });
  await sql`UPDATE audit_log SET subject = 'key:1' WHERE sequence = 700`.execute(db);
});

test('one trail is read at a time, and no more than 20 wait', async () => {
  const { made, steps } = checks();
  made.begin(undefined);
  for (let tenant = 0; tenant < 19; tenant += 1) made.begin(`t${tenant}`);
  expect(() => made.begin('t19')).toThrow('20 audit trails wait');
  while (steps.length === 0) await made.state(undefined);
  expect(steps).toHaveLength(1);
});
