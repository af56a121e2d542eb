import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { type Kysely, sql } from 'kysely';
import { BACKENDS } from '../../../test/support/database-servers.ts';
import { chainEntries, readHead, writeAudit, writeAuditBatch } from './audit-chain.ts';
import { readAudit } from './audit-trail.ts';
import { type AuditFaultKind, type AuditReport, verifyTrail } from './audit-verification.ts';
import { openControlDatabase } from './control-database.ts';
import type { ControlTables } from './control-tables.ts';
import { deleteOldAudit } from './old-data.ts';
import type { AuditEntry } from './tenant-tables.ts';

const DAY_MS = 86_400_000;

const entry = (id: string, more: Partial<AuditEntry> = {}): AuditEntry => ({
  ...{ id, at: 1_000, actor: 'a', actor_name: 'A', action: 'key.create', subject: 'key:1' },
  ...{ details: '{"a":1}', address: '192.0.2.1', request_id: 'r', ...more },
});

const faultsOf = ({ faults }: AuditReport) =>
  faults.map(({ kind, sequence, lastSequence = sequence }) => [kind, sequence, lastSequence]);

for (const backend of BACKENDS) {
  if (!backend.available) continue;

  describe(`an audit trail on ${backend.name}`, () => {
    let server: Awaited<ReturnType<typeof backend.start>>;
    let db: Kysely<ControlTables>;
    let close: () => Promise<void>;
    beforeAll(async () => {
      server = await backend.start();
    });
    beforeEach(async () => {
      await close?.();
      ({ db, close } = await openControlDatabase(server.connect()));
      for (const table of ['audit_log', 'audit_seals', 'audit_head'] as const) {
        await db.deleteFrom(table).execute();
      }
    });
    afterAll(async () => {
      await close?.();
      await server.dispose();
    });

    const append = (one: AuditEntry) =>
      db.transaction().execute((transaction) => writeAudit(transaction, one));

    test('has one chain, also when entries are written at the same time', async () => {
      await Promise.all(Array.from({ length: 40 }, (_, index) => append(entry(`e${index}`))));
      const report = await verifyTrail(db);
      expect(report).toMatchObject({
        entries: 40,
        start: { sequence: 0 },
        end: await readHead(db),
        faults: [],
      });
    });

    test('is searched for a part of any text, a page at a time', async () => {
      const all = Array.from({ length: 4_500 }, (_, index) =>
        entry(`e${String(index).padStart(4, '0')}`, {
          at: index,
          ...(index === 3 ? { actor_name: 'Zoë 50%_off', details: '{"note":"a\\\\b"}' } : {}),
          ...(index === 4_400 ? { request_id: 'REQ-zoë' } : {}),
        }),
      );
      for (let from = 0; from < all.length; from += 300) {
        await db
          .transaction()
          .execute((transaction) => writeAuditBatch(transaction, all.slice(from, from + 300)));
      }
      const found = async (search: string, more = {}) =>
        (await readAudit(db, { search, limit: 10, ...more })).rows.map(({ id }) => id);
      expect(await found('zoë')).toEqual(['e4400', 'e0003']);
      expect(await found('req-ZOË'.toLowerCase())).toEqual(['e4400']);
      expect(await found('50%_OFF')).toEqual(['e0003']);
      expect(await found('a\\\\b')).toEqual(['e0003']);
      expect(await found('%')).toEqual(['e0003']);
      expect(await found('zoë', { limit: 1 })).toEqual(['e4400']);
      expect(await found('zoë', { before: { at: 4_400, id: 'e4400' } })).toEqual(['e0003']);
      expect(await found('zoë', { action: 'key.revoke' })).toEqual([]);
      expect(await readAudit(db, { search: 'nobody', limit: 10 })).toEqual({ rows: [] });
    });

    test('has no place for an entry whose transaction is rolled back', async () => {
      await append(entry('one'));
      const failed = db.transaction().execute(async (transaction) => {
        await writeAudit(transaction, entry('two'));
        throw new Error('the change fails');
      });
      await expect(failed).rejects.toThrow('the change fails');
      await append(entry('three'));
      expect(await verifyTrail(db)).toMatchObject({ entries: 2, faults: [] });
    });

    test.each<[string, string, [AuditFaultKind, number, number][]]>([
      ['a changed value', `UPDATE audit_log SET subject = 'key:2' WHERE sequence = 4`, [['changed', 4, 4]]],
      [
        'one changed byte',
        `UPDATE audit_log SET details = '{"a":2}' WHERE sequence = 8`,
        [['changed', 8, 8]],
      ],
      ['a changed time', 'UPDATE audit_log SET at = at + 1 WHERE sequence = 1', [['changed', 1, 1]]],
      ['a removed entry', 'DELETE FROM audit_log WHERE sequence = 3', [['missing', 3, 3]]],
      [
        'several removed entries',
        'DELETE FROM audit_log WHERE sequence IN (3, 4, 6)',
        [
          ['missing', 3, 4],
          ['missing', 6, 6],
        ],
      ],
      ['the newest entries removed', 'DELETE FROM audit_log WHERE sequence > 6', [['cut', 7, 8]]],
      ['the oldest entries removed', 'DELETE FROM audit_log WHERE sequence < 3', [['missing', 1, 2]]],
      ['all entries removed', 'DELETE FROM audit_log', [['cut', 1, 8]]],
      ['another head', "UPDATE audit_head SET hash = '0'", [['head', 8, 8]]],
      ['an older head', 'UPDATE audit_head SET sequence = 7', [['head', 7, 7]]],
      [
        'a copied hash',
        'UPDATE audit_log SET hash = (SELECT hash FROM audit_log WHERE sequence = 1) WHERE sequence = 2',
        [
          ['changed', 2, 2],
          ['changed', 3, 3],
        ],
      ],
    ])('shows %s, and where', async (_, statement, expected) => {
      for (let index = 1; index <= 8; index += 1) await append(entry(`e${index}`));
      await sql.raw(statement).execute(db);
      expect(faultsOf(await verifyTrail(db))).toEqual(expected);
    });

    test('shows two entries that changed places', async () => {
      for (let index = 1; index <= 8; index += 1) await append(entry(`e${index}`));
      await sql`UPDATE audit_log SET sequence = -sequence WHERE sequence IN (2, 6)`.execute(db);
      await sql`UPDATE audit_log SET sequence = 8 + sequence WHERE sequence < 0`.execute(db);
      expect(faultsOf(await verifyTrail(db)).map(([kind, sequence]) => [kind, sequence])).toEqual([
        ['changed', 2],
        ['changed', 3],
        ['changed', 6],
        ['changed', 7],
      ]);
    });

    test('that was written again as a whole does not have the head that was recorded', async () => {
      for (let index = 1; index <= 3; index += 1) await append(entry(`e${index}`));
      const anchor = await readHead(db);
      expect(faultsOf(await verifyTrail(db, anchor))).toEqual([]);
      await sql`UPDATE audit_log SET sequence = NULL, hash = NULL, actor = 'b'`.execute(db);
      await db.deleteFrom('audit_head').execute();
      await db.transaction().execute(chainEntries);
      expect(faultsOf(await verifyTrail(db))).toEqual([]);
      expect(faultsOf(await verifyTrail(db, anchor))).toEqual([['anchor', 3, 3]]);
      expect(faultsOf(await verifyTrail(db, { ...anchor, sequence: 9 }))).toEqual([['anchor', 9, 9]]);
    });

    test('loses whole days to retention, and stays valid', async () => {
      for (let day = 1; day <= 4; day += 1) {
        for (let hour = 0; hour < 300; hour += 1) {
          await append(entry(`${day}-${hour}`, { at: day * DAY_MS + hour }));
        }
      }
      let deleted = 0;
      for (let step = -1; step !== 0; deleted += step) step = await deleteOldAudit(db, 3 * DAY_MS + 5);
      const report = await verifyTrail(db);
      expect([deleted, report.entries, report.start.sequence, faultsOf(report)]).toEqual([600, 600, 600, []]);
      await append(entry('later'));
      expect(faultsOf(await verifyTrail(db))).toEqual([]);
      await sql`DELETE FROM audit_log WHERE sequence = 601`.execute(db);
      expect(faultsOf(await verifyTrail(db))).toEqual([['missing', 601, 601]]);
    }, 60_000);

    test('includes entries of earlier versions, by time', async () => {
      await append(entry('first', { at: 5 }));
      for (const [id, at] of [
        ['late', 30],
        ['early', 20],
      ] as const) {
        await db
          .insertInto('audit_log')
          .values({ ...entry(id, { at }), sequence: null, hash: null })
          .execute();
      }
      expect(await db.transaction().execute(chainEntries)).toBe(2);
      expect(await db.transaction().execute(chainEntries)).toBe(0);
      await append(entry('next', { at: 40 }));
      const rows = await db.selectFrom('audit_log').select('id').orderBy('sequence').execute();
      expect(rows.map(({ id }) => id)).toEqual(['first', 'early', 'late', 'next']);
      expect(faultsOf(await verifyTrail(db))).toEqual([]);
    });
  });
}
