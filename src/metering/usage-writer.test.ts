import { Database } from 'bun:sqlite';
import { afterEach, describe, expect, spyOn, test } from 'bun:test';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fakeUsageDatabase } from '../../test/support/fake-usage-database.ts';
import { sqlitePath } from '../storage/sql/sqlite-path.ts';
import { SqliteServer } from '../storage/sql/sqlite-server.ts';
import { openSqliteUsage } from '../storage/sql/sqlite-usage-database.ts';
import { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { UsageDatabase } from '../storage/sql/usage-database.ts';
import { UsageDatabases } from '../storage/sql/usage-databases.ts';
import { lineOf, type UsageEvent } from '../storage/usage-event.ts';
import { type UsageSegment, UsageWriter } from './usage-writer.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'weir-usage-'));
  folders.push(made);
  return made;
}

let ids = 0;
const event = (tenant: string, more: Partial<UsageEvent> = {}): UsageEvent => ({
  ...{ id: `e${++ids}`, tenant, requestId: 'r', at: 1, keyId: 'k', member: null, model: 'm', provider: 'p' },
  ...{ upstreamModel: 'u', operation: 'chat', tags: [], status: 200, outcome: 'done', requests: 1 },
  ...{ inputTokens: 1, outputTokens: 2, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
  ...{ costPico: 1, estimated: false, durationMs: 1, firstEventMs: null },
  ...more,
});

function segment(path: string, name: string, events: readonly UsageEvent[]) {
  const file = join(path, name);
  // Journal files are as long as they may become; zeros follow the text.
  writeFileSync(file, `${textOf(events)}\0\0\0`);
  return { name, path: file, unsaved: undefined } satisfies UsageSegment;
}

const textOf = (events: readonly UsageEvent[]) => events.map((one) => `${lineOf(one)}\n`).join('');

const everyTenant = async (tenants: readonly string[]) =>
  new Map(tenants.map((tenant) => [tenant, { server: '', database: tenant }]));

/** A writer on SQLite files of their own, one for each tenant, that counts what it does. */
async function onSqlite(tenants: readonly string[], maxOpen: number) {
  const path = folder();
  const template = 'template';
  const databases = new TenantDatabases({
    servers: new Map([['', new SqliteServer(path)]]),
    placementOf: () => undefined,
    maxConnections: 1,
  });
  await databases.create({ server: '', database: template });
  const log = new Database(sqlitePath(path, template));
  log.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  log.close();
  for (const tenant of tenants) {
    mkdirSync(dirname(sqlitePath(path, tenant)), { recursive: true });
    copyFileSync(sqlitePath(path, template), sqlitePath(path, tenant));
  }
  const work = { transactions: 0, statements: 0, opened: 0, open: 0, mostOpen: 0, texts: new Set<string>() };
  const counted = (database: UsageDatabase): UsageDatabase => ({
    ...{ rowCounts: database.rowCounts, isNumbered: database.isNumbered },
    transaction: (run) => {
      work.transactions += 1;
      return database.transaction((execute) =>
        run((sql, parameters) => {
          work.statements += 1;
          work.texts.add(sql);
          return execute(sql, parameters);
        }),
      );
    },
    close: async () => {
      work.open -= 1;
      await database.close();
    },
  });
  const server = new UsageDatabases({
    ...{ maxOpen, atOnce: 1 },
    open: (name) => {
      work.opened += 1;
      work.open += 1;
      work.mostOpen = Math.max(work.mostOpen, work.open);
      return counted(openSqliteUsage(sqlitePath(path, name)));
    },
  });
  const writer = new UsageWriter({
    servers: new Map([['', server]]),
    placementsOf: everyTenant,
    isServerLost: () => false,
  });
  const read = (tenant: string, sql: string) => {
    const database = new Database(sqlitePath(path, tenant), { readonly: true });
    try {
      return database.query<Record<string, number>, []>(sql).get();
    } finally {
      database.close();
    }
  };
  return { writer, work, read, path };
}

describe('the work of storing usage', () => {
  const tenants = Array.from({ length: 20 }, (_, index) => `t${index}`);
  /** Requests of many keys and models: each has sums of its own. */
  const requests = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      event(tenants[index % tenants.length] ?? '', { keyId: `k${ids}`, model: `m${index % 7}` }),
    );

  test('one transaction for each tenant, whatever the number of files and requests', async () => {
    const { writer, work, read, path } = await onSqlite(tenants, tenants.length);
    const files = Array.from({ length: 10 }, (_, at) => segment(path, `f${at}`, requests(200)));
    const report = await writer.write(files);
    expect(report).toMatchObject({ stored: files.map(({ name }) => name), failure: undefined });
    expect(work.transactions).toBe(tenants.length);
    // A batch for each file, the mark of the day, and 100 rows of sums by hour, by day, and of keys: 8 in a statement.
    expect(work.statements / tenants.length).toBeLessThanOrEqual(11 + 3 * (100 / 8 + 7));
    expect(read('t12', 'SELECT count(*) AS rows, sum(count) AS events FROM usage_batches')).toEqual({
      ...{ rows: 10, events: 100 },
    });
    expect(
      read(
        't12',
        "SELECT count(*) AS rows, sum(requests) AS requests FROM usage_rollups WHERE period = 'day'",
      ),
    ).toEqual({ rows: 100, requests: 100 });
    await writer.close();
  });

  test('files stay open, and each prepares few statements, once', async () => {
    const { writer, work, path } = await onSqlite(tenants, tenants.length);
    const prepare = spyOn(Database.prototype, 'prepare');
    for (let round = 0; round < 5; round += 1) {
      // Numbers of rows that differ from round to round.
      await writer.write([segment(path, `f${round}`, requests(200 + 60 * round))]);
    }
    expect(work.opened).toBe(tenants.length);
    // Of six tables, each for one row or for several.
    expect(work.texts.size).toBeLessThanOrEqual(9);
    // With BEGIN and COMMIT.
    expect(prepare.mock.calls.length).toBeLessThanOrEqual(tenants.length * (work.texts.size + 2));
    prepare.mockRestore();
    await writer.close();
    expect(work.open).toBe(0);
  });

  test('no more files are open than allowed', async () => {
    const { writer, work, path } = await onSqlite(tenants, 3);
    await writer.write([segment(path, 'f', requests(100))]);
    await writer.write([segment(path, 'g', requests(100))]);
    expect(work.mostOpen).toBe(3);
    await writer.close();
  });

  test('many requests of one tenant are several transactions, so that no other writer waits for long', async () => {
    const { writer, work, path } = await onSqlite(['t'], 1);
    const files = Array.from({ length: 10 }, (_, at) =>
      segment(
        path,
        `f${at}`,
        Array.from({ length: 1_000 }, () => event('t')),
      ),
    );
    await writer.write(files);
    expect(work.transactions).toBe(5);
    await writer.close();
  });
});

describe('segments', () => {
  function onFakes(down: ReadonlySet<string>, isServerLost = (_: unknown) => false) {
    const stored: string[] = [];
    const attempts: string[] = [];
    const server = new UsageDatabases({
      ...{ maxOpen: 10, atOnce: 1 },
      open: (tenant) =>
        fakeUsageDatabase({
          isDown: () => {
            attempts.push(tenant);
            return down.has(tenant);
          },
          onStored: (lines) =>
            stored.push(...lines.map((line) => `${tenant} ${line.slice(2, line.indexOf(',') - 1)}`)),
        }),
    });
    const writer = new UsageWriter({
      servers: new Map([['', server]]),
      placementsOf: async (tenants) => everyTenant(tenants.filter((tenant) => tenant !== 'gone')),
      isServerLost,
    });
    return { writer, stored, attempts };
  }

  test('are stored when each tenant is, and tenants that have stored theirs are not tried again', async () => {
    const down = new Set(['b']);
    const { writer, stored, attempts } = onFakes(down);
    const path = folder();
    const segments = [
      segment(path, 'one', [event('a'), event('b')]),
      segment(path, 'two', [event('a')]),
      segment(path, 'three', [event('gone'), event('b')]),
    ];
    const first = await writer.write(segments);
    expect(first).toMatchObject({
      stored: ['two'],
      failure: { tenants: 1, message: 'down', placement: { server: '', database: 'b' } },
    });
    expect(first.dropped).toEqual([{ tenant: 'gone', count: 1 }]);
    const again = segments.filter(({ name }) => name !== 'two');
    expect((await writer.write(again)).dropped).toEqual([]);
    down.clear();
    expect((await writer.write(again)).stored).toEqual(['one', 'three']);
    expect(attempts).toEqual(['a', 'b', 'b', 'b']);
    expect(stored.map((text) => text.slice(0, 1))).toEqual(['a', 'a', 'b', 'b']);
  });

  test('of a server that is unreachable: only one of its tenants is tried', async () => {
    const { writer, attempts } = onFakes(new Set(['a', 'b', 'c']), () => true);
    const report = await writer.write([
      segment(
        folder(),
        'f',
        ['a', 'b', 'c'].map((tenant) => event(tenant)),
      ),
    ]);
    expect(report.failure).toMatchObject({ tenants: 3, message: 'down' });
    expect(attempts).toEqual(['a']);
  });

  test('may be in memory only, and a file may not exist', async () => {
    const { writer, stored } = onFakes(new Set());
    const path = folder();
    const unsaved = { name: 'f', path: join(path, 'f'), unsaved: textOf([event('a'), event('b')]) };
    const missing = { name: 'g', path: join(path, 'g'), unsaved: undefined };
    expect((await writer.write([unsaved, missing])).stored).toEqual(['f', 'g']);
    expect(stored).toHaveLength(2);
  });

  test('that have grown since they were stored: the new events are added', async () => {
    const { writer, stored } = onFakes(new Set());
    const path = folder();
    const events = [event('a'), event('a'), event('a')];
    await writer.write([segment(path, 'f', events.slice(0, 1))]);
    await writer.write([segment(path, 'f', events)]);
    // A restored file is stored under the name that it had.
    await writer.write([segment(path, 'restored-f', events)]);
    expect(stored).toEqual(events.map(({ id }) => `a ${id}`));
  });

  test('with damaged lines: those are reported, the others stored', async () => {
    const { writer, stored } = onFakes(new Set());
    const text = `${textOf([event('a')])}["4","ten`;
    expect((await writer.write([{ name: 'f', path: '', unsaved: text }])).damaged).toEqual([
      { file: 'f', line: '["4","ten' },
    ]);
    expect(stored).toHaveLength(1);
  });
});
