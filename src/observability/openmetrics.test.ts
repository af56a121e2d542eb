import { describe, expect, test } from 'bun:test';
import { metricsFormat, withCanonicalBounds } from './openmetrics.ts';

describe('the header Accept', () => {
  const PROMETHEUS =
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';
  test.each<[string | null, 'text' | 'openmetrics']>([
    [null, 'text'],
    ['', 'text'],
    ['*/*', 'text'],
    ['text/plain', 'text'],
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'text'],
    ['application/openmetrics-text', 'openmetrics'],
    ['APPLICATION/OpenMetrics-Text; Version=1.0.0', 'openmetrics'],
    ['application/openmetrics-text;q=0', 'text'],
    ['application/openmetrics-text;q=nonsense', 'text'],
    ['application/openmetrics-text;q=0.2, text/plain;q=0.9', 'text'],
    ['application/openmetrics-text, */*', 'openmetrics'],
    [PROMETHEUS, 'openmetrics'],
    [`${'a/b,'.repeat(2_000)}application/openmetrics-text`, 'text'],
  ])('%p', (accept, format) => {
    expect(metricsFormat(accept)).toBe(format);
  });
});

test('bounds of buckets are floating-point numbers, and nothing else changes', () => {
  const lines = (bounds: readonly string[]) =>
    bounds.map((bound) => `a_bucket{le="${bound}",text="_bucket{le=\\"1\\""} 1`).join('\n');
  expect(withCanonicalBounds(lines(['0.00005', '0.0001', '0.25', '1', '600', '67108864', '+Inf']))).toBe(
    lines(['5e-05', '0.0001', '0.25', '1.0', '600.0', '67108864.0', '+Inf']),
  );
  expect(withCanonicalBounds('a{le="1"} 1')).toBe('a{le="1"} 1');
});
