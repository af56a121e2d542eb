import { expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { constants, createReadStream, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogWriter } from './log-writer.ts';

const LINE = `${'x'.repeat(1_023)}\n`;
const LINES = 12 * 1024;

test('a stalled reader does not block the caller: lines beyond 8 MiB are dropped and counted', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-log-'));
  const path = join(directory, 'pipe');
  expect(spawnSync('mkfifo', [path]).status).toBe(0);
  // Stays open: the runtime may still write to it, and another file could get its number.
  const fd = openSync(path, constants.O_RDWR);
  const dropped = Promise.withResolvers<number>();
  const writer = new LogWriter(fd, dropped.resolve);
  for (let line = 0; line < LINES; line += 1) writer.write(LINE, false);

  const stream = createReadStream(path);
  let bytes = 0;
  const caughtUp = Promise.withResolvers<void>();
  stream.on('data', (chunk) => {
    bytes += chunk.length;
    if (bytes >= 7 * 1024 * 1024) caughtUp.resolve();
  });
  const lost = await dropped.promise;
  await caughtUp.promise;
  expect(lost).toBeGreaterThan(0);
  expect((LINES - lost) * LINE.length).toBeLessThanOrEqual(8 * 1024 * 1024);
  stream.destroy();
  rmSync(directory, { recursive: true });
});
