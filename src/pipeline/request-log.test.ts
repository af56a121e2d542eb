import { expect, test } from 'bun:test';
import { PRINCIPAL } from '../../test/support/inference.ts';
import { RequestContext } from './request-context.ts';
import { RequestLog, recordOf } from './request-log.ts';

const record = (id: string, startedAt = 0) => {
  const init = { id, principal: PRINCIPAL, operation: 'chat', route: '/r', startedAt } as const;
  const request = new RequestContext(init);
  request.complete({ kind: 'done' });
  return recordOf(request, startedAt + 5, 1_000);
};

test('keeps the last requests, and of one id the latest', () => {
  const log = new RequestLog(3);
  for (const [at, id] of ['a', 'b', 'a', 'c'].entries()) log.add(record(id, at));
  expect(log.find('a')?.startedAt).toBe(2);
  expect(log.find('c')).toMatchObject({ startedAt: 3, endedAt: 8, at: 995 });
  log.add(record('d'));
  log.add(record('e'));
  expect(log.find('a')).toBeUndefined();
  expect(log.find('c')).toBeDefined();
});
