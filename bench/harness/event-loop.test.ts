import { expect, test } from 'bun:test';
import { metricValue } from './event-loop.ts';

test('the value of a metric without labels', () => {
  const page = '# HELP a_seconds Help.\n# TYPE a_seconds gauge\na_seconds 0.0125\nb{x="a_seconds 9"} 3\n';
  expect(metricValue(page, 'a_seconds')).toBe(0.0125);
  expect(() => metricValue(page, 'b')).toThrow('no b');
});
