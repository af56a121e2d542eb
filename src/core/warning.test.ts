import { expect, test } from 'bun:test';
import { addWarning, type Warning } from './warning.ts';

test('a hundred warnings are kept, and the rest is counted', () => {
  const list: Warning[] = [];
  for (let index = 0; index < 100; index += 1) {
    addWarning(list, { kind: 'unsupported', param: `p${index}`, message: 'm' });
  }
  expect(list).toHaveLength(100);
  for (let index = 0; index < 5_000; index += 1) {
    addWarning(list, { kind: 'changed', param: 'p', message: 'm' });
  }
  expect(list).toHaveLength(101);
  expect(list[100]).toEqual({
    kind: 'unsupported',
    param: '*',
    message: '5000 more warnings.',
    count: 5_000,
  });
});

test('texts are cut', () => {
  const list: Warning[] = [];
  addWarning(list, { kind: 'changed', param: 'p'.repeat(1_000_000), message: 'm'.repeat(1_000_000) });
  expect([list[0]?.param.length, list[0]?.message.length]).toEqual([203, 503]);
});
