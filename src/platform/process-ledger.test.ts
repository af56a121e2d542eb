import { afterEach, beforeEach, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningProcess, spawnProcess } from './child-process.ts';
import { ProcessLedger } from './process-ledger.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-ledger-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A real process that waits, and its end. */
function start(ledger: ProcessLedger): { readonly running: RunningProcess; readonly ended: Promise<string> } {
  const { promise, resolve } = Promise.withResolvers<string>();
  const spec = { command: ['sleep', '60'], env: { PATH: process.env.PATH ?? '' }, cwd: undefined };
  const running = ledger.noting(spawnProcess)(spec, { onLine: () => undefined, onExit: resolve });
  return { running, ended: promise };
}

test.skipIf(!existsSync('/proc/self/stat'))('what was left running is ended at the next start', async () => {
  const file = join(folder, 'engines.json');
  const first = start(new ProcessLedger(file));
  expect(new ProcessLedger(file).endLeftovers()).toBe(1);
  expect(await first.ended).toBe('was ended by SIGKILL');
  expect(new ProcessLedger(file).endLeftovers()).toBe(0);
});

test('ended processes are removed, and another process with the same id is not ended', async () => {
  const file = join(folder, 'engines.json');
  const ledger = new ProcessLedger(file);
  const { running, ended } = start(ledger);
  running.signal('SIGTERM');
  expect(await ended).toBe('was ended by SIGTERM');
  expect(new ProcessLedger(file).endLeftovers()).toBe(0);

  writeFileSync(
    file,
    JSON.stringify([{ pid: process.pid, started: '1' }, { pid: 'x' }, { pid: -1, started: '1' }]),
  );
  expect(new ProcessLedger(file).endLeftovers()).toBe(0);
  for (const damaged of ['', '[{"pid":', '{}']) {
    writeFileSync(file, damaged);
    expect(new ProcessLedger(file).endLeftovers()).toBe(0);
  }
});

test.skipIf(!existsSync('/proc/self/stat'))('a full disk does not prevent a start', async () => {
  const gone = join(folder, 'gone');
  const retries: (() => void)[] = [];
  const ledger = new ProcessLedger(join(gone, 'engines.json'), (_, retry) => retries.push(retry));
  const { running, ended } = start(ledger);
  expect(retries).toHaveLength(1);
  mkdirSync(gone);
  retries[0]?.();
  expect(new ProcessLedger(join(gone, 'engines.json')).endLeftovers()).toBe(1);
  await ended;
  expect(running.pid).toBeNumber();
});
