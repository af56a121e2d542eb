import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventOf, lineOf, type UsageEvent } from '../storage/usage-event.ts';
import { InFlightRecords, recoverInFlight } from './in-flight-records.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'weir-in-flight-'));
  folders.push(made);
  return made;
}

const event = (id: string, more: Partial<UsageEvent> = {}): UsageEvent => ({
  ...{ id, tenant: 'a', requestId: `r${id}`, at: Number(id), keyId: 'k', member: null, model: 'm' },
  ...{ provider: 'p', upstreamModel: 'u', operation: 'chat', tags: [], status: 500, outcome: 'lost' },
  ...{ requests: 0, inputTokens: 7, outputTokens: 0, cachedTokens: 0, cacheWriteTokens: 0 },
  ...{ reasoningTokens: 0, costPico: 70, estimated: true, durationMs: 0, firstEventMs: null },
  ...more,
});

function recordsIn(path: string, { failing = false, boot = 'b0' } = {}) {
  const failures: unknown[] = [];
  const health = { failed: (...failure: unknown[]) => failures.push(failure), fails: () => failing };
  return { records: new InFlightRecords(path, { pid: 43, boot }, health), failures };
}

const dead = () => false;

/** The events that a recovery has left in the journal. */
function recovered(path: string): UsageEvent[] {
  return readdirSync(path)
    .filter((name) => name.startsWith('usage-'))
    .flatMap((name) => readFileSync(join(path, name), 'utf8').trimEnd().split('\n'))
    .flatMap((line) => eventOf(line) ?? []);
}

describe('requests in flight', () => {
  test('of a killed process become lost events with their last known use; each request is counted once', () => {
    const path = folder();
    const { records } = recordsIn(path);
    const first = records.add(event('1', { requestId: 'same' }));
    records.add(event('2', { requestId: 'same' }));
    records.add(event('3', { costPico: null }));
    const done = records.add(event('4'));
    if (!first || !done) throw new Error('not recorded');
    records.update(first, { outputTokens: 12, costPico: 190, durationMs: 1_500 });
    records.remove(done);
    expect(records.size).toBe(3);

    expect(recoverInFlight(path, dead)).toBe(3);
    expect(recovered(path)).toEqual([
      event('1', { requestId: 'same', outputTokens: 12, costPico: 190, durationMs: 1_500 }),
      event('2', { requestId: 'same', requests: 1 }),
      event('3', { costPico: null, requests: 1 }),
    ]);
    // The records are gone, and another recovery changes nothing.
    expect(readdirSync(path)).toHaveLength(1);
    expect(recoverInFlight(path, dead)).toBe(0);
  });

  test('that have an event in the journal are not lost', () => {
    const path = folder();
    const { records } = recordsIn(path);
    records.add(event('1'));
    records.add(event('2'));
    writeFileSync(join(path, 'usage-43-b0-0.ndjson'), `${lineOf(event('1', { outcome: 'done' }))}\n\0\0`);
    writeFileSync(join(path, 'usage-43-b9-0.ndjson'), `${lineOf(event('2', { outcome: 'done' }))}\n`);
    expect(recoverInFlight(path, dead)).toBe(1);
    expect(recovered(path).filter(({ outcome }) => outcome === 'lost')).toEqual([
      event('2', { requests: 1 }),
    ]);
  });

  test('of a running process are left to it', () => {
    const path = folder();
    recordsIn(path).records.add(event('1'));
    expect(recoverInFlight(path, ({ pid, boot }) => pid === 43 && boot === 'b0')).toBe(0);
    expect(readdirSync(path)).toHaveLength(1);
  });

  test('reuse the slots of those that ended, in any number and length', () => {
    const path = folder();
    const { records } = recordsIn(path);
    const tags = Array.from({ length: 10 }, (_, at) => `💧${at}`.repeat(40));
    const texts = [[], ['t'], tags];
    for (let round = 0; round < 3; round += 1) {
      const places = Array.from({ length: 600 }, (_, at) =>
        records.add(event(String(at + 1), { tags: texts[at % 3] ?? [] })),
      );
      expect(places.every((place) => place !== undefined)).toBe(true);
      for (const place of places) if (place) records.remove(place);
    }
    records.add(event('7', { tags }));
    records.add(event('8'));
    expect(recoverInFlight(path, dead)).toBe(2);
    expect(recovered(path)).toEqual([event('7', { tags, requests: 1 }), event('8', { requests: 1 })]);
  });

  test('that are too long are not recorded', () => {
    const { records } = recordsIn(folder());
    expect(records.add(event('1', { model: 'm'.repeat(5_000) }))).toBeUndefined();
    expect(records.size).toBe(0);
  });

  test('are not recorded while the disk fails, which is reported once', () => {
    const path = join(folder(), 'file');
    writeFileSync(path, 'a file where a folder is expected');
    const { records, failures } = recordsIn(path);
    expect(records.add(event('1'))).toBeUndefined();
    expect(failures).toHaveLength(1);
    const failing = recordsIn(path, { failing: true });
    expect(failing.records.add(event('1'))).toBeUndefined();
    expect(failing.failures).toEqual([]);
  });

  test('leave no file behind an orderly end', () => {
    const path = folder();
    const { records } = recordsIn(path);
    const place = records.add(event('1'));
    if (!place) throw new Error('not recorded');
    records.close();
    expect(readdirSync(path)).toHaveLength(1);
    records.remove(place);
    records.close();
    expect(readdirSync(path)).toEqual([]);
  });

  test('survive a damaged file', () => {
    const path = folder();
    const { records } = recordsIn(path);
    records.add(event('1'));
    const [name = ''] = readdirSync(path);
    const bytes = readFileSync(join(path, name));
    bytes.write('+not a record', 512);
    bytes.fill(0x41, 1_024, 2_048);
    writeFileSync(join(path, name), bytes.subarray(0, 5_000));
    expect(recoverInFlight(path, dead)).toBe(1);
  });
});
