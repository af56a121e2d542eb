import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { BatchFilter } from './batch-filter.ts';

test('a filter has each of its texts, also after it was stored', () => {
  const property = fc.property(fc.uniqueArray(fc.string(), { maxLength: 100 }), (texts) => {
    const stored = BatchFilter.parse(String(BatchFilter.of(new Set(texts))));
    for (const text of texts) expect(stored.mayHave(text)).toBe(true);
  });
  fc.assert(property, { numRuns: runs(100) });
});

test('few other texts pass', () => {
  const filter = BatchFilter.of(new Set(Array.from({ length: 1_000 }, (_, index) => `rreq_${index}`)));
  let passed = 0;
  for (let index = 0; index < 20_000; index += 1) if (filter.mayHave(`rreq_other_${index}`)) passed += 1;
  expect(passed).toBeLessThan(20_000 * 0.02);
});

test('takes about 1.7 bytes for each text', () => {
  const texts = new Set(Array.from({ length: 3_000 }, (_, index) => String(index)));
  expect(String(BatchFilter.of(texts)).length).toBeLessThan(3_000 * 1.7);
});
