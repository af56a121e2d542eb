import { expect, test } from 'bun:test';
import { SemanticReport } from './semantic-report.ts';

const OF = { tenant: 'acme', model: 'chat' };
const found = (requestId: string, result: 'hit' | 'would_hit' | 'rejected' | 'none' | 'skipped') => ({
  ...{ requestId, result, similarity: 0.9, matchedRequestId: 'first' },
  reason: result === 'rejected' ? 'number' : undefined,
});

test('counts what was found, with what it would have saved', () => {
  const report = new SemanticReport(() => 7);
  report.looked(OF, found('a', 'none'), undefined);
  report.looked(OF, found('b', 'would_hit'), { nanoUsd: 100, ms: 20 });
  report.looked(OF, found('c', 'hit'), { nanoUsd: 100, ms: 20 });
  report.looked(OF, found('d', 'rejected'), undefined);
  report.looked({ ...OF, tenant: 'other' }, found('e', 'hit'), undefined);
  const [one, ...others] = report.read('acme');
  expect(others).toEqual([]);
  expect(one).toMatchObject({
    ...{ since: 7, none: 1, would_hit: 1, hit: 1, rejected: 1, wouldSaveNanoUsd: 100, wouldSaveMs: 20 },
  });
  expect([...(one?.rejectedBy ?? [])]).toEqual([['number', 1]]);
  expect(one?.decisions.map(({ requestId }) => requestId)).toEqual(['d', 'c', 'b']);
  expect(report.read(undefined)).toHaveLength(2);
});

test('keeps the latest fifty decisions, with what their comparison found', () => {
  const report = new SemanticReport(() => 0);
  for (let index = 0; index < 60; index += 1) report.looked(OF, found(`r${index}`, 'would_hit'), undefined);
  report.verified(OF, 'r59', true);
  report.verified(OF, 'r58', false);
  report.verified(OF, 'r1', true);
  const [one] = report.read('acme');
  expect(one?.decisions).toHaveLength(50);
  expect(one?.decisions.slice(0, 3).map(({ requestId, isFalse }) => [requestId, isFalse])).toEqual([
    ['r59', true],
    ['r58', false],
    ['r57', undefined],
  ]);
  expect(one?.decisions.at(-1)?.requestId).toBe('r10');
  expect(one).toMatchObject({ compared: 3, false_hits: 2 });
});
