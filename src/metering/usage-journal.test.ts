import { afterEach, describe, expect, spyOn, test } from 'bun:test';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { fakeUsageDatabase } from '../../test/support/fake-usage-database.ts';
import { RecordedEvents } from '../../test/support/recorded-events.ts';
import { UsageDatabases, type UsageServer } from '../storage/sql/usage-databases.ts';
import { eventOf, lineOf, type UsageEvent } from '../storage/usage-event.ts';
import { batchIdOf, JournalFiles, RestoredJournal, readJournal } from './journal-files.ts';
import { UsageJournal } from './usage-journal.ts';
import { UsageWriter } from './usage-writer.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'weir-journal-'));
  folders.push(made);
  return made;
}

const event = (id: string, tenant = 'a', model = 'm'): UsageEvent => ({
  ...{
    id,
    tenant,
    model,
    requestId: 'r',
    at: 1,
    keyId: 'k',
    member: null,
    provider: 'p',
    upstreamModel: 'u',
  },
  ...{
    operation: 'chat',
    tags: [],
    status: 200,
    outcome: 'done',
    requests: 1,
    inputTokens: 1,
    outputTokens: 2,
  },
  ...{ cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0, costPico: null, estimated: false },
  ...{ durationMs: 1, firstEventMs: null },
});

function journalIn(path: string, { boot = 'b1', alive = true, down = new Set<string>() } = {}) {
  const failures: unknown[] = [];
  const written: string[] = [];
  const events = new RecordedEvents();
  const clock = new FakeClock();
  /** How long each transaction takes. */
  const slow = { ms: 0 };
  const server: UsageServer = {
    maxOpen: 10,
    atOnce: 1,
    open: (tenant) =>
      fakeUsageDatabase({
        isDown: () => {
          clock.advance(slow.ms);
          return down.has(tenant);
        },
        onStored: (lines) => written.push(...lines.map((line) => eventOf(line)?.id ?? line)),
      }),
  };
  const writer = new UsageWriter({
    servers: new Map([['', new UsageDatabases(server)]]),
    placementsOf: async (tenants) =>
      new Map(tenants.filter((id) => id !== 'gone').map((id) => [id, { server: '', database: id }])),
    isServerLost: () => false,
  });
  const files = new JournalFiles(path, 42, boot, () => alive);
  const journal = new UsageJournal({
    files,
    writer: { write: (segments) => writer.write(segments), close: () => writer.close() },
    events,
    health: { failed: (...failure) => failures.push(failure) },
    now: () => clock.now(),
  });
  /** As a full disk does. */
  const failDisk = () =>
    spyOn(files, 'append').mockImplementation(() => {
      throw new Error('ENOSPC');
    });
  return {
    ...{ journal, written, trouble: events.names, payloads: events.payloads },
    ...{ down, failures, clock, slow, failDisk },
  };
}
/** Added events are on the disk when `add` returns. */
const stepped = () => Promise.resolve();

describe('usage in the journal', () => {
  test('is on the disk at once, stored in order, and then deleted', async () => {
    const path = folder();
    const { journal, written } = journalIn(path);
    for (const id of ['1', '2', '3']) journal.add(event(id));
    await stepped();
    expect(readdirSync(path)).toHaveLength(1);
    expect(journal.pending).toBe(3);
    await journal.flush();
    expect([written, journal.pending, readdirSync(path)]).toEqual([['1', '2', '3'], 0, []]);
  });

  test('of a killed process is stored by the next one; an incomplete line is reported', async () => {
    const path = folder();
    const dead = journalIn(path, { down: new Set(['a']) });
    for (const id of ['1', '2 💧']) dead.journal.add(event(id));
    await stepped();
    writeFileSync(join(path, 'usage-43-b0-0.ndjson'), `${lineOf(event('3'))}\n["4","ten`);
    writeFileSync(join(path, 'other.txt'), 'not ours');
    const next = journalIn(path, { boot: 'b2', alive: false });
    await next.journal.flush();
    expect(next.written.sort()).toEqual(['1', '2 💧', '3']);
    expect(next.trouble).toHaveLength(1);
    expect(readdirSync(path)).toEqual(['other.txt']);
  });

  test('of a restored backup is stored, whatever process has its number now, under the name that it had', async () => {
    const path = folder();
    const name = 'usage-43-b0-0.ndjson';
    // Of a running process; its last line is not complete yet.
    writeFileSync(join(path, 'usage-45-b0-0.ndjson'), `${lineOf(event('1'))}\n["2","ten\0\0`);
    expect([...readJournal(path)]).toEqual([
      { name: 'usage-45-b0-0.ndjson', text: `${lineOf(event('1'))}\n` },
    ]);
    const content = Buffer.from(`${lineOf(event('3'))}\n`);
    const restored = new RestoredJournal(path);
    restored.add(name, content);
    restored.add('usage-44-b0-0.ndjson', content);
    restored.remove('usage-44-b0-0.ndjson');
    const { journal, written } = journalIn(path);
    await journal.flush();
    expect(written).toEqual(['3']);
    expect(batchIdOf(`restored-${name}`)).toBe(name);
    expect(readdirSync(path)).toEqual(['usage-45-b0-0.ndjson']);
  });

  test('of a running process is left to it', async () => {
    const path = folder();
    writeFileSync(join(path, 'usage-43-b0-0.ndjson'), `${lineOf(event('3'))}\n`);
    const { journal, written } = journalIn(path);
    await journal.flush();
    expect([written, readdirSync(path)]).toEqual([[], ['usage-43-b0-0.ndjson']]);
  });

  test('waits while a database is unreachable, without delaying other tenants', async () => {
    const path = folder();
    const { journal, written, down } = journalIn(path, { down: new Set(['b']) });
    journal.add(event('1', 'a'));
    journal.add(event('2', 'b'));
    await journal.flush();
    journal.add(event('3', 'a'));
    await journal.flush();
    expect([...new Set(written)]).toEqual(['1', '3']);
    down.clear();
    await journal.flush();
    expect([...new Set(written)].sort()).toEqual(['1', '2', '3']);
    expect(readdirSync(path)).toEqual([]);
  });

  test('of a deleted tenant is dropped and reported', async () => {
    const { journal, trouble } = journalIn(folder());
    journal.add(event('1', 'gone'));
    await journal.flush();
    expect([journal.pending, trouble.length]).toEqual([0, 1]);
  });

  test('stays in memory while the disk fails, is stored from there, and returns to the disk', async () => {
    const path = folder();
    const { journal, written, down, failures, failDisk } = journalIn(path, { down: new Set(['a']) });
    journal.add(event('1'));
    await journal.flush();
    const full = failDisk();
    for (const id of ['2', '3', '4']) journal.add(event(id));
    // One attempt, not one for each event.
    expect([failures.length, journal.pending]).toEqual([1, 4]);
    full.mockRestore();
    await journal.flush();
    journal.add(event('5'));
    expect(readdirSync(path)).toHaveLength(2);
    down.clear();
    await journal.flush();
    expect(written.sort()).toEqual(['1', '2', '3', '4', '5']);
    expect([journal.pending, readdirSync(path)]).toEqual([0, []]);
  });

  test('is bounded in memory while disk and database fail, and what is lost is counted', async () => {
    const path = folder();
    const { journal, written, down, trouble, payloads, failDisk } = journalIn(path, { down: new Set(['a']) });
    failDisk();
    const count = 100_050;
    for (let index = 0; index < count; index += 1) journal.add(event(String(index)));
    expect(journal.pending).toBe(100_000);
    await journal.flush();
    expect(trouble.filter((name) => name === 'usage.lost')).toHaveLength(1);
    expect(payloads).toContainEqual({ count: 50 });
    down.clear();
    await journal.flush();
    expect([written.length, journal.pending]).toEqual([100_000, 0]);
    journal.add(event('later'));
    expect(journal.pending).toBe(1);
  });

  test('that can be stored nowhere is reported as lost at the end', async () => {
    const path = folder();
    const { journal, payloads, failDisk } = journalIn(path, { down: new Set(['a']) });
    failDisk();
    journal.add(event('1'));
    await journal.close();
    expect(payloads).toContainEqual({ count: 1 });
  });

  test('fills any number of files, and one event may be larger than a file', async () => {
    const path = folder();
    const { journal, written } = journalIn(path, { down: new Set() });
    const count = 6_000;
    for (let index = 0; index < count; index += 1) {
      journal.add(event(String(index)));
      await stepped();
    }
    journal.add(event('large', 'a', '💧'.repeat(200_000)));
    await stepped();
    expect(readdirSync(path).length).toBeGreaterThan(2);
    await journal.flush();
    expect([written.length, new Set(written).size]).toEqual([count + 1, count + 1]);
  });

  test('that could not be stored is tried again a few files at a time, and all at once when it succeeds', async () => {
    const path = folder();
    const { journal, written, down } = journalIn(path, { down: new Set(['a']) });
    for (let index = 0; index < 50; index += 1) {
      journal.add(event(String(index)));
      await journal.flush();
    }
    expect([written, journal.pending]).toEqual([[], 50]);
    down.clear();
    journal.add(event('last'));
    await journal.flush();
    expect([written.length, journal.pending, readdirSync(path)]).toEqual([51, 0, []]);
  });

  test('of many tenants is stored less often: 20 transactions a second at most', async () => {
    const { journal, written, clock } = journalIn(folder());
    for (let index = 0; index < 60; index += 1) journal.add(event(`1 ${index}`, `t${index}`));
    await journal.flushWhenDue();
    journal.add(event('2', 't0'));
    clock.advance(2_900);
    await journal.flushWhenDue();
    expect(written).toHaveLength(60);
    clock.advance(100);
    await journal.flushWhenDue();
    expect(written).toHaveLength(61);
    // One tenant again: the next second.
    journal.add(event('3', 't0'));
    clock.advance(1_000);
    await journal.flushWhenDue();
    expect(written).toHaveLength(62);
  });

  test('is stored less often when storing takes long', async () => {
    const { journal, written, clock, slow } = journalIn(folder());
    slow.ms = 500;
    journal.add(event('1'));
    await journal.flushWhenDue();
    journal.add(event('2'));
    clock.advance(1_900);
    await journal.flushWhenDue();
    expect(written).toEqual(['1']);
    clock.advance(100);
    await journal.flushWhenDue();
    expect(written).toEqual(['1', '2']);
    slow.ms = 60_000;
    clock.advance(2_000);
    journal.add(event('3'));
    await journal.flushWhenDue();
    journal.add(event('4'));
    clock.advance(10_000);
    await journal.flushWhenDue();
    expect(written).toEqual(['1', '2', '3', '4']);
  });
});
