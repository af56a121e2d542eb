import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { describeMetrics, metricsPage } from './metrics-page.ts';

test('docs/metrics.md is what the code says (`npm run docs` writes it)', () => {
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  expect(page).toBe(metricsPage());
});

test('every metric has a section, a sentence and a unit that its name says', () => {
  for (const { name, section, help } of describeMetrics()) {
    expect(section).not.toBe('');
    // Double quotes would need an escape in the OpenMetrics format, which prom-client does not write.
    expect(help).toMatch(/^[^"\n]+\.$/);
    expect(name).not.toMatch(/nanousd|_ms$|_ms_|milliseconds/);
  }
});
