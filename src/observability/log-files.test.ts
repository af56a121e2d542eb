import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogFiles, type LogFilesOptions } from './log-files.ts';

const HOUR_MS = 3_600_000;
/** 1970-01-01T00:00:01Z */
const START = 1_000;
const FIRST_NAME = 'weir-19700101T000001Z-abc-1.jsonl';
const MIB = 1024 * 1024;

let directory = '';
let now = START;
const failures: unknown[] = [];
let restored: PromiseWithResolvers<number>;
const opened: LogFiles[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-log-files-'));
  now = START;
  failures.length = 0;
  restored = Promise.withResolvers();
});
afterEach(async () => {
  for (const files of opened.splice(0)) await files.close();
  rmSync(directory, { recursive: true, force: true });
});

function create(more: Partial<LogFilesOptions> = {}): LogFiles {
  const files = new LogFiles({
    ...{ folder: join(directory, 'logs'), maxBytes: 100 * MIB, rotateMs: HOUR_MS, instance: 'abc' },
    wallTime: () => now,
    onFailure: (error) => failures.push(error),
    onRestored: (lost) => restored.resolve(lost),
    ...more,
  });
  opened.push(files);
  return files;
}

const names = () => readdirSync(join(directory, 'logs')).sort();
const content = (name: string) => readFileSync(join(directory, 'logs', name), 'utf8');

describe('log files', () => {
  test('begin by size, and keep each line whole and in order', async () => {
    const files = create({ maxBytes: 50 });
    for (let line = 0; line < 10; line += 1) files.write(`${line}${'x'.repeat(20)}\n`, true);
    await files.flush();
    for (let line = 10; line < 12; line += 1) {
      files.write(`${line}${'x'.repeat(20)}\n`, true);
      await files.flush();
    }
    const all = names();
    expect(all.length).toBeGreaterThan(1);
    const text = all
      .sort((a, b) => Number(/-(\d+)\./.exec(a)?.[1]) - Number(/-(\d+)\./.exec(b)?.[1]))
      .map(content)
      .join('');
    expect(text.split('\n').map((line) => Number.parseInt(line, 10))).toEqual([
      ...Array(12).keys(),
      Number.NaN,
    ]);
  });

  test('begin at each hour, also where no line arrives, and where the file was removed', async () => {
    const files = create();
    files.write('one\n', true);
    await files.flush();
    now = START + HOUR_MS;
    await files.rotateIfDue();
    expect(files.currentName).toBeUndefined();
    files.write('two\n', true);
    await files.flush();
    expect(names().map(content)).toEqual(['one\n', 'two\n']);
    rmSync(join(directory, 'logs'), { recursive: true });
    await files.rotateIfDue();
    files.write('three\n', true);
    await files.flush();
    expect(names().map(content)).toEqual(['three\n']);
  });

  test('wait in memory while the folder cannot be written, and lose nothing', async () => {
    writeFileSync(join(directory, 'logs'), 'a file where the folder should be');
    const files = create();
    files.write('one\n', true);
    await files.flush();
    files.write('two\n', true);
    expect([failures.length, files.failure]).toEqual([1, expect.stringContaining('logs')]);
    rmSync(join(directory, 'logs'));
    expect(await restored.promise).toBe(0);
    await files.flush();
    expect(names().map(content)).toEqual(['one\ntwo\n']);
    expect([files.lost, files.failure]).toEqual([0, undefined]);
  });

  test('keep 8 MiB while the disk is full, and count the rest', async () => {
    const logs = join(directory, 'logs');
    spawnSync('mkdir', [logs]);
    symlinkSync('/dev/full', join(logs, FIRST_NAME));
    const files = create();
    const line = `${'x'.repeat(1_023)}\n`;
    for (let index = 0; index < 9 * 1024; index += 1) files.write(line, false);
    await files.flush();
    expect(failures).toEqual([expect.objectContaining({ code: 'ENOSPC' })]);
    expect(files.lost).toBeGreaterThanOrEqual(1024);
    expect(files.lost).toBeLessThan(1024 + 64);
    await files.close();
    expect(files.lost).toBe(9 * 1024);
  });

  test('never block the caller on a disk that hangs', async () => {
    const hanging = Promise.withResolvers<void>();
    let bytes = 0;
    const handle = {
      write: async (chunk: Uint8Array) => {
        await hanging.promise;
        bytes += chunk.length;
        return { bytesWritten: chunk.length };
      },
      close: () => Promise.resolve(),
    };
    const files = create({ openFile: () => Promise.resolve(handle) });
    const line = `${'x'.repeat(1_023)}\n`;
    for (let index = 0; index < 9 * 1024; index += 1) files.write(line, true);
    expect(files.lost).toBe(1024);
    hanging.resolve();
    await files.flush();
    expect(bytes).toBe(8 * 1024 * 1024);
    files.write(line, true);
    await files.flush();
    expect([bytes, files.lost]).toEqual([8 * 1024 * 1024 + 1024, 1024]);
  });
});
