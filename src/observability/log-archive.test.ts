import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { FolderStorage } from '../platform/object-storage/folder-storage.ts';
import { archiveLogFiles, deleteOldArchives, type LogRetention } from './log-archive.ts';
import { hotFileName } from './log-file-names.ts';

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 10, 29);

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-log-archive-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const archive = () => join(folder, 'archive');
const retention = (more: Partial<LogRetention> = {}): LogRetention => ({
  ...{ folder, archive: new FolderStorage(archive()), hotMs: 7 * DAY_MS, warmMs: 30 * DAY_MS },
  ...more,
});

/** A file whose last line is some days old. @returns its name */
function file(daysOld: number, text: string): string {
  const end = NOW - daysOld * DAY_MS;
  const name = hotFileName(end - DAY_MS, 'abc', 1);
  writeFileSync(join(folder, name), text);
  utimesSync(join(folder, name), end / 1000, end / 1000);
  return name;
}

async function retainLogFiles(
  options: LogRetention,
  now: number,
  current: string | undefined,
): Promise<void> {
  await archiveLogFiles(options, now, current);
  await deleteOldArchives(options, now);
}

const names = () => readdirSync(folder).filter((name) => name !== 'archive');

describe('old log files', () => {
  test('are compressed after the hot period, and deleted after the warm one', async () => {
    const text = '{"a":1}\n'.repeat(100_000);
    const young = file(6, 'young');
    file(8, text);
    file(40, 'too old for the archive');
    writeFileSync(join(folder, 'notes.txt'), 'not ours');
    await retainLogFiles(retention(), NOW, undefined);
    expect(names().sort()).toEqual(['notes.txt', young]);
    expect(readdirSync(archive())).toEqual(['weir-20261120T000000Z_20261121T000000Z-abc-1.jsonl.zst']);
    const [name = ''] = readdirSync(archive());
    const compressed = readFileSync(join(archive(), name));
    expect(compressed.length).toBeLessThan(text.length / 20);
    expect(zstdDecompressSync(compressed).toString()).toBe(text);

    await retainLogFiles(retention(), NOW + 28 * DAY_MS, undefined);
    expect(readdirSync(archive())).toHaveLength(2);
    await retainLogFiles(retention(), NOW + 30 * DAY_MS, undefined);
    expect(readdirSync(archive())).toEqual([expect.stringMatching(/20261123T000000Z/)]);
  });

  test('stay while they are written, however old they are', async () => {
    const current = file(50, 'x');
    await retainLogFiles(retention(), NOW, current);
    expect(names()).toEqual([current]);
  });

  test('are deleted where none are archived, and where they are empty', async () => {
    file(8, 'x');
    await retainLogFiles(retention({ warmMs: null }), NOW, undefined);
    file(8, '');
    await retainLogFiles(retention(), NOW, undefined);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('stay where the archive takes none, which leaves no part of them', async () => {
    writeFileSync(archive(), 'a file where the folder should be');
    const name = file(8, 'x');
    await expect(retainLogFiles(retention(), NOW, undefined)).rejects.toThrow();
    expect(names()).toEqual([name]);
    rmSync(archive());
    mkdirSync(archive());
    await retainLogFiles(retention(), NOW, undefined);
    expect([names(), readdirSync(archive()).length]).toEqual([[], 1]);
  });
});
