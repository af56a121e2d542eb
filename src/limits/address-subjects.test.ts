import { expect, test } from 'bun:test';
import { AddressSubjects } from './address-subjects.ts';

const RULES = { rps: 5, burst: 10, inflight: 2 };

test('describes an address once, and again after a change of the rules', () => {
  const subjects = new AddressSubjects();
  const one = subjects.of('192.0.2.1', RULES);
  expect(one).toMatchObject([{ scope: 'ip', id: '192.0.2.1', limits: [{ max: 5, burst: 10 }, { max: 2 }] }]);
  expect(subjects.of('192.0.2.1', RULES)).toBe(one);
  expect(subjects.of('192.0.2.1', { ...RULES, rps: 6 })).toMatchObject([
    { limits: [{ max: 6 }, { max: 2 }] },
  ]);
});

test('takes bounded memory, and keeps the description of an address that is in use', () => {
  const subjects = new AddressSubjects();
  const busy = subjects.of('busy', RULES);
  for (let index = 0; index < 100_000; index += 1) {
    subjects.of(`stranger ${index}`, RULES);
    if (index % 1_000 === 0) expect(subjects.of('busy', RULES)).toBe(busy);
  }
  expect(subjects.size).toBeLessThanOrEqual(10_000);
});
