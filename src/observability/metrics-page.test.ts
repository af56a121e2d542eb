import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { Metrics } from './metrics.ts';
import { withMetricsTable } from './metrics-page.ts';

test('docs/operations.md lists every metric (`npm run docs` writes it)', () => {
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const stats = { cpuSeconds: 0, residentBytes: 0, startedAtSeconds: 0, openFiles: undefined };
  const metrics = new Metrics(
    () => stats,
    () => 0,
    { takeMaxDelay: () => 0, takeMaxBusy: () => 0 },
  );
  expect(page).toBe(withMetricsTable(page, metrics.describe()));
});
